//! The adapters that the settings name: the database, the files, the models, and the ways out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use core_types::error::chain;
use core_types::media::MediaStore;
use media_files::MediaFiles;
use media_s3::{MediaS3, S3Settings};
use models_eliza::ElizaConnector;
use persistence::{LogOptions, OpenError, Options, Store, Target};
use recall::Recall;
use runtime::ModelRegistry;

use crate::care;
use crate::clock::{SystemClock, SystemIds};
use crate::config::{Bucket, Config};
use crate::embedders::ServerEmbedders;
use crate::exit::{Exit, Failure};
use crate::live_settings::LiveSettings;

/// The name of the SQLite file in the data directory.
pub const DATABASE: &str = "doolittle.db";

/// The configured database.
pub fn target(config: &Config) -> Target {
    match &config.postgres_url {
        Some(url) => Target::Postgres(url.reveal().to_owned()),
        None => Target::Sqlite(config.data_dir.join(DATABASE)),
    }
}

/// Opens the configured database and brings it up to date.
pub async fn open(config: &Config) -> Result<Store, Failure> {
    if config.postgres_url.is_some() && config.backups.log_dir.is_some() {
        let message =
            "BACKUP_LOG_DIR is for the embedded database; keep a log of PostgreSQL with its own tools, and unset it (docs/operations.md)";
        return Err(Failure::new(Exit::Usage, message));
    }
    care::before_migrating(config).await?;
    let log = config.backups.log_dir.clone().map(|dir| LogOptions { dir, clock: Arc::new(SystemClock) });
    let options = Options { log, ..Options::default() };
    persistence::open(&target(config), options, Arc::new(SystemIds)).await.map_err(|error| not_opened(&error))
}

/// The end that it means that the configured database cannot be opened.
pub fn not_opened(error: &OpenError) -> Failure {
    let (exit, advice) = match error {
        OpenError::Newer { .. } => {
            let advice = "; run that version, or undo the migration with that version's `doolittle migrate --down`, or go back to a copy \
                          from before it (<data-dir>/backups, docs/operations.md)";
            (Exit::Database, advice)
        }
        OpenError::Log { .. } => (Exit::Database, "; look at BACKUP_LOG_DIR: its permissions, its free space; or unset it"),
        OpenError::Unmounted { .. } => {
            let advice = "; most likely it is not mounted: mount it, or have BACKUP_LOG_DIR name the directory that has the log, and start \
                          again; to begin another log there on purpose, for which a new backup is needed, unset BACKUP_LOG_DIR for one \
                          start of the server (docs/operations.md)";
            (Exit::Database, advice)
        }
        OpenError::Mixed { left: Some(_), .. } => {
            let advice = "; the data directory is left as it is: see to it that the log can be written (its permissions, its free space), \
                          and start again, which puts that into it and tells the way on (docs/operations.md)";
            (Exit::Database, advice)
        }
        OpenError::Mixed { left: None, .. } => {
            let advice = "; the data directory is left as it is, and the log leads to what was committed last: restore a backup from \
                          before with `doolittle restore --from <backup> --log <BACKUP_LOG_DIR> --data-dir <another directory>`; without \
                          one, see what is wrong with `doolittle verify`, and unset BACKUP_LOG_DIR for one start of the server, to go on \
                          with what is there; another log begins then (docs/operations.md)";
            (Exit::Database, advice)
        }
        OpenError::Unwritable { .. } => (Exit::Database, "; mend its permissions or free some space"),
        OpenError::Corrupt { .. } => (Exit::Database, "; restore a backup, or move the file away to begin anew"),
        OpenError::BadUrl { .. } => (Exit::Usage, "; check POSTGRES_URL"),
        OpenError::Unreachable { .. } => (Exit::Database, "; check POSTGRES_URL and that PostgreSQL runs"),
        OpenError::InUse { .. } => (Exit::Locked, "; stop it first, since one database serves one server"),
        OpenError::Migration { .. } | OpenError::Foreign { .. } | OpenError::Failed { .. } => (Exit::Database, ""),
    };
    let message = format!("{error}{advice}");
    match std::error::Error::source(error).map(ToString::to_string) {
        Some(source) => Failure::new(exit, message).because(source),
        None => Failure::new(exit, message),
    }
}

/// Opens the configured store of files.
pub async fn media_store(config: &Config) -> Result<Arc<dyn MediaStore>, Failure> {
    if let Some(bucket) = &config.media.bucket {
        return Ok(Arc::new(media_bucket(bucket).await?));
    }
    let files = MediaFiles::open(config.media.dir.clone()).await.map_err(|error| {
        let message = format!("the media directory {} cannot be used; mend its permissions or set MEDIA_DIR", config.media.dir.display());
        Failure::new(Exit::DataDir, message).because(chain(&error))
    })?;
    Ok(Arc::new(files))
}

async fn media_bucket(bucket: &Bucket) -> Result<MediaS3, Failure> {
    let credentials = match (bucket.key_id.clone(), bucket.key.clone()) {
        (Some(id), Some(key)) => Some((id, key)),
        (None, None) => None,
        _ => {
            let message = "MEDIA_S3_ACCESS_KEY_ID and MEDIA_S3_SECRET_ACCESS_KEY go together: set both or neither";
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    let settings = S3Settings {
        bucket: bucket.name.clone(),
        region: bucket.region.clone(),
        endpoint: bucket.endpoint.clone(),
        prefix: bucket.prefix.clone(),
        credentials,
    };
    let files = MediaS3::new(&settings).map_err(|error| Failure::new(Exit::Usage, error.to_string()).because(chain(&error)))?;
    let advice = "check MEDIA_S3_BUCKET, MEDIA_S3_ENDPOINT, MEDIA_S3_REGION and the keys";
    files.check().await.map_err(|error| {
        Failure::new(Exit::Failure, format!("the {} cannot be read; {advice}", files.describe())).because(chain(&error))
    })?;
    Ok(files)
}

/// Documents are read by this same program, started anew for each.
pub(super) fn document_reader() -> Result<documents::Isolated, Failure> {
    // By this name it is found even after its file was replaced.
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        return Ok(documents::Isolated::new(own));
    }
    let program = std::env::current_exe().map_err(|error| Failure::new(Exit::Failure, "the program cannot find itself").because(error))?;
    Ok(documents::Isolated::new(program))
}

pub(super) fn models(settings: &LiveSettings, client: outbound::Client) -> ModelRegistry {
    let registry = ModelRegistry::new(Arc::new(settings.clone()), Arc::new(ElizaConnector));
    let registry = models_openai::connectors(&client).into_iter().fold(registry, |registry, connector| registry.with(Arc::new(connector)));
    registry.with(Arc::new(models_anthropic::connector(client)))
}

pub(super) fn recall(
    store: &Store,
    settings: &LiveSettings,
    client: &outbound::Client,
    config: &Config,
) -> Result<(Arc<ServerEmbedders>, Arc<Recall>), Failure> {
    let embedders = ServerEmbedders::new(settings, client, &config.embeddings.provider);
    let embedders = Arc::new(embedders.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?);
    let rate = Some(config.embeddings.rate).filter(|rate| *rate > 0);
    let limits = recall::Limits { question: config.embeddings.query_time, rate };
    let recall = Recall::new(store.vectors(), Arc::<ServerEmbedders>::clone(&embedders), limits);
    Ok((embedders, Arc::new(recall)))
}

/// The folder of a web UI in the one form by which files are known to be in it.
pub(super) fn ui_folder(named: &Path) -> Result<PathBuf, Failure> {
    let folder = named.canonicalize().ok().filter(|folder| folder.join("index.html").is_file());
    folder.ok_or_else(|| {
        let message = format!("ELIZA_UI_DIR names {}, where there is no index.html: name the folder of a built web UI", named.display());
        Failure::new(Exit::Usage, message)
    })
}
