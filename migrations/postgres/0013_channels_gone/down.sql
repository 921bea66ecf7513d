DROP TABLE channels_gone;
