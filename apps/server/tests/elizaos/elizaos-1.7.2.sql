-- Tables and rows of a database of elizaOS 1.7.2 that record.mjs filled through its API. No vectors but as text.

CREATE TABLE public.agents (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    server_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    name text NOT NULL,
    username text,
    system text DEFAULT ''::text,
    bio jsonb DEFAULT '[]'::jsonb,
    message_examples jsonb DEFAULT '[]'::jsonb NOT NULL,
    post_examples jsonb DEFAULT '[]'::jsonb NOT NULL,
    topics jsonb DEFAULT '[]'::jsonb NOT NULL,
    adjectives jsonb DEFAULT '[]'::jsonb NOT NULL,
    knowledge jsonb DEFAULT '[]'::jsonb NOT NULL,
    plugins jsonb DEFAULT '[]'::jsonb NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    style jsonb DEFAULT '{}'::jsonb NOT NULL
);
CREATE TABLE public.cache (
    key text NOT NULL,
    agent_id uuid NOT NULL,
    value jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone
);
CREATE TABLE public.central_messages (
    id text NOT NULL,
    channel_id text NOT NULL,
    author_id text NOT NULL,
    content text NOT NULL,
    raw_message jsonb,
    in_reply_to_root_message_id text,
    source_type text,
    source_id text,
    metadata jsonb,
    created_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
CREATE TABLE public.channel_participants (
    channel_id text NOT NULL,
    entity_id text NOT NULL
);
CREATE TABLE public.channels (
    id text NOT NULL,
    message_server_id uuid NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    source_type text,
    source_id text,
    topic text,
    metadata jsonb,
    created_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
CREATE TABLE public.components (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    entity_id uuid NOT NULL,
    agent_id uuid NOT NULL,
    room_id uuid NOT NULL,
    world_id uuid,
    source_entity_id uuid,
    type text NOT NULL,
    data jsonb DEFAULT '{}'::jsonb,
    created_at timestamp without time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.embeddings (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    memory_id uuid,
    created_at timestamp without time zone DEFAULT now() NOT NULL,
    dim_384 text,
    dim_512 text,
    dim_768 text,
    dim_1024 text,
    dim_1536 text,
    dim_3072 text,
    CONSTRAINT embedding_source_check CHECK ((memory_id IS NOT NULL))
);
CREATE TABLE public.entities (
    id uuid NOT NULL,
    agent_id uuid NOT NULL,
    created_at timestamp without time zone DEFAULT now() NOT NULL,
    names text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL
);
CREATE TABLE public.logs (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    entity_id uuid NOT NULL,
    body jsonb NOT NULL,
    type text NOT NULL,
    room_id uuid NOT NULL
);
CREATE TABLE public.memories (
    id uuid NOT NULL,
    type text NOT NULL,
    created_at timestamp without time zone DEFAULT now() NOT NULL,
    content jsonb NOT NULL,
    entity_id uuid,
    agent_id uuid NOT NULL,
    room_id uuid,
    world_id uuid,
    "unique" boolean DEFAULT true NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT document_metadata_check CHECK (
CASE
    WHEN ((metadata ->> 'type'::text) = 'document'::text) THEN (metadata ? 'timestamp'::text)
    ELSE true
END),
    CONSTRAINT fragment_metadata_check CHECK (
CASE
    WHEN ((metadata ->> 'type'::text) = 'fragment'::text) THEN ((metadata ? 'documentId'::text) AND (metadata ? 'position'::text))
    ELSE true
END)
);
CREATE TABLE public.message_server_agents (
    message_server_id uuid NOT NULL,
    agent_id uuid NOT NULL
);
CREATE TABLE public.message_servers (
    id uuid NOT NULL,
    name text NOT NULL,
    source_type text NOT NULL,
    source_id text,
    metadata jsonb,
    created_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
CREATE TABLE public.participants (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    entity_id uuid,
    room_id uuid,
    agent_id uuid,
    room_state text
);
CREATE TABLE public.relationships (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    source_entity_id uuid NOT NULL,
    target_entity_id uuid NOT NULL,
    agent_id uuid NOT NULL,
    tags text[],
    metadata jsonb
);
CREATE TABLE public.rooms (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    agent_id uuid,
    source text NOT NULL,
    type text NOT NULL,
    message_server_id uuid,
    world_id uuid,
    name text,
    metadata jsonb,
    channel_id text,
    created_at timestamp without time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.servers (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.tasks (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    description text,
    room_id uuid,
    world_id uuid,
    entity_id uuid,
    agent_id uuid NOT NULL,
    tags text[] DEFAULT '{}'::text[],
    metadata jsonb DEFAULT '{}'::jsonb,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now()
);
CREATE TABLE public.worlds (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    agent_id uuid NOT NULL,
    name text NOT NULL,
    metadata jsonb,
    message_server_id uuid,
    created_at timestamp without time zone DEFAULT now() NOT NULL
);
INSERT INTO public.agents VALUES ('5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', true, NULL, '2026-11-26 14:52:54.522+00', '2026-11-26 14:52:54.658+00', 'Ada', 'ada', 'You are Ada.', '["Counts things.", "Likes engines."]', '[[{"name": "{{user1}}", "content": {"text": "Hi"}}, {"name": "Ada", "content": {"text": "Hello.", "actions": ["REPLY"]}}]]', '["42."]', '["numbers"]', '["exact"]', '["The engine has a store and a mill."]', '["@elizaos/plugin-bootstrap", "@elizaos/plugin-openai"]', '{"voice": {"model": "en_US"}, "secrets": {"HOME": "33adca0be5cd49ce9124803d1bad3f1f:057a3074baf95a0e8fc7fd8c88813ae8", "LANG": "9d1e83ebad6cab2156f360c1c83585be:fe0bce09cb997895047f5d7a2af253ee", "PATH": "680e9cff8cd586148a0658db147ff244:7bce862d1f241fe21a2b7cf3d03a7de6b940bf045339ff1b68b1a652433baf43", "ADA_TOKEN": "0381b85a50f96103b36ef13dd2b1c953:58ec9e47db77a2d0c22d3392b2c1a142", "LOG_LEVEL": "f4ad3f4c7dc4cc1a07f192fee2c2b873:dd79b179761b333b6982b6b8bdc34e35", "SENTRY_DSN": "dde9ed865dfcb3e067d4595c9475b368:ad4695495b094ec84d78e4cead938194b11592efe95d390b9e3993e414ad1b77", "SECRET_SALT": "e4386f65e0b47f16168a0ea4a3c73937:d20dbb18a0e76b118688ddf19bc4bd94c810f4f79f74b89e0f515f8738468e3e", "SERVER_HOST": "b9ccbbe9c46dda87d6ca4c20108aa8cc:7f931fdbff97a9d055ffd5b4b85296b6", "SERVER_PORT": "561f1f13e73549604d4b5e22e1f88059:d9bdc4e34128893a15b13a40d9641382", "ELIZA_DATA_DIR": "a9ec3cbeb0b76044b8c8b6eb52076fd8:8064cc6d3eff86f91da6f56419a90b78c956708a8708dfd22567bd570ee082e2", "OPENAI_API_KEY": "d3c8b15c1508bf72e5c300b7f23a3928:70314aa77c3168f7306046ca3f25e89f", "ELIZA_UI_ENABLE": "12a3daffcdf8637dff5d99ba6a6e0140:2feaacd60985ce7bcab6e42863cef990", "OPENAI_BASE_URL": "803e1929b6d7e298e30fd90aa4168c86:22a218bd4f32ead5bff60acff77c45ae92fb8dc38b9484dd19791a0f1f70f9ae", "PGLITE_DATA_DIR": "d06ca07506ce97052301247ca8d2b11e:15b0bead9c3231b9cc3bc02343edd16291df3704da4f402b01bfc671b319569a", "OPENAI_EMBEDDING_DIMENSIONS": "78a9c151b74646da9a379e32665a4b01:6682e99900d34bea0b6e037b5c36b9cc"}, "maxWords": 50}', '{"all": ["be brief"], "chat": ["ask back"]}');
INSERT INTO public.agents VALUES ('01c95267-dd29-02bc-a9ad-d243b05a8d51', true, NULL, '2026-11-26 14:52:54.546+00', '2026-11-26 14:52:54.767+00', 'Grace', '', '', '"Finds bugs."', '[]', '[]', '[]', '[]', '[]', '["@elizaos/plugin-bootstrap", "@elizaos/plugin-openai"]', '{"secrets": {"HOME": "641dcf011fea7d0bafe4b7b573b0e0d3:ea9a98629a7da4e2222aaa58e6569439", "LANG": "b74271f1d3d358bbe0fa5b83b7a02fd3:a684444e375afdc5c0fc5b1464e36eae", "PATH": "fae1cbfcbd1699267b6993df332c2376:eca9c82c3694fd7f4ebbd4ccb421cc3354e39209f5b4eb00519f0c4fbdcc548c", "LOG_LEVEL": "a6370f155bf8a20d418f3adecfb0882d:68d6425638cb60e531e1e8967058847f", "SENTRY_DSN": "53f42ce4395fae715a2da75c413e9443:e250dba9e378da95011c7e3462377b43c7455c9864336a84c5b62d01282ef208", "SECRET_SALT": "ab621c2630b6dd90c5b3850ae4f415c0:d6f8da6cea76f4cd0ff583d7e9546e2b09f8569bbdb50deb5e3cad1194cc1083", "SERVER_HOST": "c7aa95e81d364824586c9fe8f6accdd6:0ce18a4a03954c74d9b461078411db13", "SERVER_PORT": "5ac6d8d993495468da9d50273e3889f1:a74f72c0ed4edb8b860ecda3b936ae4e", "ELIZA_DATA_DIR": "27c3c3eaccdc4bb67f5c0381259892c2:7ac80580231bbafd7ce14d351bcf2095b16a97233a1a0bdc09afa10f52e10db9", "OPENAI_API_KEY": "79d2fdb5efbcf6c2fb6d35c641c2f7f3:f2ef8ede586f06ce2de218af64f5e8d6", "ELIZA_UI_ENABLE": "d0b775ad4dafcc0e26893b09f194166a:865c7ee177d21b348716be9022189b37", "OPENAI_BASE_URL": "b502acb003fab47fb7cdc6cb4e755975:cc60fe1d4c50c41438a52af630dd1329abc6507623fdebf95111e48d7e3b5e34", "PGLITE_DATA_DIR": "cc8ef0a096b2e89f3cff5a92bc4202c1:812f99d1ce55051556c25349eb70e9b8d73800b90b52b7dd3ed24305050b112d", "OPENAI_EMBEDDING_DIMENSIONS": "4f7b0719b26e7a32e50ce5e38e623b4d:f871b983833137e735de7d8d752f9303"}}', '{}');
INSERT INTO public.central_messages VALUES ('36ac8319-bb67-45fa-a9b8-7d3efbea5a94', 'ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111', 'Hello Ada', '{"text": "Hello Ada"}', NULL, 'client_chat', NULL, '{"isDm": true, "channelType": "DM", "user_display_name": "Lin"}', '2026-11-26 14:52:57.948', '2026-11-26 14:52:57.948');
INSERT INTO public.central_messages VALUES ('58ba29a5-fdd3-488c-aad9-488a6bfe7798', 'ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'pong', '{"text": "pong", "actions": ["REPLY"], "thought": "a thought"}', '36ac8319-bb67-45fa-a9b8-7d3efbea5a94', 'agent_response', NULL, '{"isDm": true, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "DM"}', '2026-11-26 14:52:58.307', '2026-11-26 14:52:58.307');
INSERT INTO public.central_messages VALUES ('3212ab81-0bf2-4126-bc04-4b6321f8b265', 'ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111', 'I grow tomatoes on my balcony. What do they want?', '{"text": "I grow tomatoes on my balcony. What do they want?"}', NULL, 'client_chat', NULL, '{"isDm": true, "channelType": "DM", "user_display_name": "Lin"}', '2026-11-26 14:53:00.47', '2026-11-26 14:53:00.47');
INSERT INTO public.central_messages VALUES ('2fc75633-7835-42de-a548-0c7857e20fd2', 'ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', '3212ab81-0bf2-4126-bc04-4b6321f8b265', 'agent_response', NULL, '{"isDm": true, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "DM"}', '2026-11-26 14:53:00.706', '2026-11-26 14:53:00.706');
INSERT INTO public.central_messages VALUES ('03666c85-ad65-4ced-8625-91d503342f72', 'ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111', 'Zoë says “thank you” 🌱', '{"text": "Zoë says “thank you” 🌱"}', NULL, 'client_chat', NULL, '{"isDm": true, "channelType": "DM", "user_display_name": "Lin"}', '2026-11-26 14:53:02.999', '2026-11-26 14:53:02.999');
INSERT INTO public.central_messages VALUES ('dec43c2b-0bc6-437c-8d3f-d3af48f4540b', 'ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', '03666c85-ad65-4ced-8625-91d503342f72', 'agent_response', NULL, '{"isDm": true, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "DM"}', '2026-11-26 14:53:03.238', '2026-11-26 14:53:03.238');
INSERT INTO public.central_messages VALUES ('cf586d1c-d0db-4cd9-890c-9f60711ee08a', '2ba6884b-00f4-46c4-9c20-c6db624d4a62', '11111111-1111-4111-8111-111111111111', 'Who knows about tomatoes?', '{"text": "Who knows about tomatoes?", "attachments": [{"id": "picture", "url": "https://example.org/plant.png", "title": "a plant", "contentType": "image"}]}', NULL, 'client_chat', NULL, '{"channelType": "GROUP", "user_display_name": "Lin"}', '2026-11-26 14:53:05.527', '2026-11-26 14:53:05.527');
INSERT INTO public.central_messages VALUES ('cefa81ef-12c7-462a-ab76-164b8f43954e', '2ba6884b-00f4-46c4-9c20-c6db624d4a62', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', 'cf586d1c-d0db-4cd9-890c-9f60711ee08a', 'agent_response', NULL, '{"isDm": false, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "GROUP"}', '2026-11-26 14:53:05.86', '2026-11-26 14:53:05.86');
INSERT INTO public.central_messages VALUES ('1f13b210-6d47-434a-b7aa-fb2bf018b448', '2ba6884b-00f4-46c4-9c20-c6db624d4a62', '01c95267-dd29-02bc-a9ad-d243b05a8d51', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', 'cf586d1c-d0db-4cd9-890c-9f60711ee08a', 'agent_response', NULL, '{"isDm": false, "agent_id": "01c95267-dd29-02bc-a9ad-d243b05a8d51", "agentName": "Grace", "channelType": "GROUP"}', '2026-11-26 14:53:05.864', '2026-11-26 14:53:05.864');
INSERT INTO public.central_messages VALUES ('1ac03932-4c68-4ac9-ab23-5f713964d883', '2ba6884b-00f4-46c4-9c20-c6db624d4a62', '22222222-2222-4222-8222-222222222222', 'Ada does, I think.', '{"text": "Ada does, I think."}', NULL, 'client_chat', NULL, '{"channelType": "GROUP", "user_display_name": "Max"}', '2026-11-26 14:53:08.052', '2026-11-26 14:53:08.052');
INSERT INTO public.central_messages VALUES ('90363076-39df-4972-8804-d8d3fa1f56a3', '2ba6884b-00f4-46c4-9c20-c6db624d4a62', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', '1ac03932-4c68-4ac9-ab23-5f713964d883', 'agent_response', NULL, '{"isDm": false, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "GROUP"}', '2026-11-26 14:53:08.709', '2026-11-26 14:53:08.709');
INSERT INTO public.central_messages VALUES ('b6858b74-7d1d-4a9a-a160-3c8d46131928', '2ba6884b-00f4-46c4-9c20-c6db624d4a62', '01c95267-dd29-02bc-a9ad-d243b05a8d51', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', '1ac03932-4c68-4ac9-ab23-5f713964d883', 'agent_response', NULL, '{"isDm": false, "agent_id": "01c95267-dd29-02bc-a9ad-d243b05a8d51", "agentName": "Grace", "channelType": "GROUP"}', '2026-11-26 14:53:08.712', '2026-11-26 14:53:08.712');
INSERT INTO public.central_messages VALUES ('81af5eef-99f9-4b7d-8df3-a452b472fa3c', 'ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111', 'tomatoes, one', '{"text": "tomatoes, one"}', NULL, 'client_chat', NULL, '{"isDm": true, "channelType": "DM", "user_display_name": "Lin"}', '2026-11-26 14:53:10.564', '2026-11-26 14:53:10.564');
INSERT INTO public.central_messages VALUES ('9a7d4d6b-d75c-4394-98ed-888e7dbb9785', 'ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', '81af5eef-99f9-4b7d-8df3-a452b472fa3c', 'agent_response', NULL, '{"isDm": true, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "DM"}', '2026-11-26 14:53:11.2', '2026-11-26 14:53:11.2');
INSERT INTO public.central_messages VALUES ('2079309a-3364-4d49-ad9b-d2e7077237f5', 'ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111', 'tomatoes, two', '{"text": "tomatoes, two"}', NULL, 'client_chat', NULL, '{"isDm": true, "channelType": "DM", "user_display_name": "Lin"}', '2026-11-26 14:53:13.089', '2026-11-26 14:53:13.089');
INSERT INTO public.central_messages VALUES ('e2a02e11-458b-4a35-9830-9ab9747f9d73', 'ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', '2079309a-3364-4d49-ad9b-d2e7077237f5', 'agent_response', NULL, '{"isDm": true, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "DM"}', '2026-11-26 14:53:13.754', '2026-11-26 14:53:13.754');
INSERT INTO public.central_messages VALUES ('67be323c-9166-465d-90af-6ad2fbde0694', 'ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111', 'tomatoes, three', '{"text": "tomatoes, three"}', NULL, 'client_chat', NULL, '{"isDm": true, "channelType": "DM", "user_display_name": "Lin"}', '2026-11-26 14:53:15.608', '2026-11-26 14:53:15.608');
INSERT INTO public.central_messages VALUES ('dd71f84a-7754-4341-9db7-44e8f3a9ce6e', 'ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', '67be323c-9166-465d-90af-6ad2fbde0694', 'agent_response', NULL, '{"isDm": true, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "DM"}', '2026-11-26 14:53:15.754', '2026-11-26 14:53:15.754');
INSERT INTO public.central_messages VALUES ('fdb7eaaa-a089-4006-93be-bdd0d808eb89', 'ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111', 'tomatoes, four', '{"text": "tomatoes, four"}', NULL, 'client_chat', NULL, '{"isDm": true, "channelType": "DM", "user_display_name": "Lin"}', '2026-11-26 14:53:18.135', '2026-11-26 14:53:18.135');
INSERT INTO public.central_messages VALUES ('9cc68f4e-41bc-481b-b530-91f65d657dfc', 'ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', 'fdb7eaaa-a089-4006-93be-bdd0d808eb89', 'agent_response', NULL, '{"isDm": true, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "DM"}', '2026-11-26 14:53:18.694', '2026-11-26 14:53:18.694');
INSERT INTO public.central_messages VALUES ('d34c4a56-46c4-4018-bdec-4e16bd9e5cb2', 'ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111', 'tomatoes, five', '{"text": "tomatoes, five"}', NULL, 'client_chat', NULL, '{"isDm": true, "channelType": "DM", "user_display_name": "Lin"}', '2026-11-26 14:53:20.672', '2026-11-26 14:53:20.672');
INSERT INTO public.central_messages VALUES ('f3317010-2445-4a48-98a4-a84cae43ec85', 'ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', 'd34c4a56-46c4-4018-bdec-4e16bd9e5cb2', 'agent_response', NULL, '{"isDm": true, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "DM"}', '2026-11-26 14:53:20.977', '2026-11-26 14:53:20.977');
INSERT INTO public.central_messages VALUES ('48d42adc-1976-4a96-8f22-a0de418de64f', 'ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111', 'tomatoes, six', '{"text": "tomatoes, six"}', NULL, 'client_chat', NULL, '{"isDm": true, "channelType": "DM", "user_display_name": "Lin"}', '2026-11-26 14:53:23.198', '2026-11-26 14:53:23.198');
INSERT INTO public.central_messages VALUES ('6cb83a85-da00-4d8f-b481-19c9d0586610', 'ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Tomatoes want much sun & water.', '{"text": "Tomatoes want much sun & water.", "actions": ["REPLY"], "thought": "a thought"}', '48d42adc-1976-4a96-8f22-a0de418de64f', 'agent_response', NULL, '{"isDm": true, "agent_id": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "agentName": "Ada", "channelType": "DM"}', '2026-11-26 14:53:23.416', '2026-11-26 14:53:23.416');
INSERT INTO public.channel_participants VALUES ('2ba6884b-00f4-46c4-9c20-c6db624d4a62', '01c95267-dd29-02bc-a9ad-d243b05a8d51');
INSERT INTO public.channel_participants VALUES ('2ba6884b-00f4-46c4-9c20-c6db624d4a62', '11111111-1111-4111-8111-111111111111');
INSERT INTO public.channel_participants VALUES ('2ba6884b-00f4-46c4-9c20-c6db624d4a62', '22222222-2222-4222-8222-222222222222');
INSERT INTO public.channel_participants VALUES ('2ba6884b-00f4-46c4-9c20-c6db624d4a62', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c');
INSERT INTO public.channel_participants VALUES ('ebc0bd7b-2209-4008-b953-7005365b488d', '11111111-1111-4111-8111-111111111111');
INSERT INTO public.channel_participants VALUES ('ebc0bd7b-2209-4008-b953-7005365b488d', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c');
INSERT INTO public.channels VALUES ('ebc0bd7b-2209-4008-b953-7005365b488d', '00000000-0000-0000-0000-000000000000', 'Lin and Ada', 'DM', NULL, NULL, NULL, '{"isDm": true, "user1": "11111111-1111-4111-8111-111111111111", "user2": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c", "forAgent": "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c"}', '2026-11-26 14:52:57.919', '2026-11-26 14:52:57.919');
INSERT INTO public.channels VALUES ('2ba6884b-00f4-46c4-9c20-c6db624d4a62', '00000000-0000-0000-0000-000000000000', 'Garden', 'GROUP', NULL, NULL, NULL, '{"topic": "plants"}', '2026-11-26 14:52:57.93', '2026-11-26 14:52:57.93');
INSERT INTO public.channels VALUES ('63e5c544-c3e2-40a7-9882-0dd0ebd9be4e', '00000000-0000-0000-0000-000000000000', 'Quiet', 'GROUP', NULL, NULL, NULL, '{}', '2026-11-26 14:52:57.939', '2026-11-26 14:52:57.939');
INSERT INTO public.embeddings VALUES ('cfe53f80-e0c1-4b5e-91e6-73f6579abce7', '21c43e4f-12c8-0910-92f9-cf24b96ca0ca', '2026-11-26 14:52:58.314', '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('3c788748-4ab3-4169-833b-6903305ef6c4', 'b69121c2-f804-0602-94be-c9423cdc2f16', '2026-11-26 14:53:00.71', '[0,0.1,0.1,0,0.1,0,0,0,0,0.1,0,0,0,0,0.1,0.1,0,0,0,0,0,0.1,0,0,0,0,0.1,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0.1,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0.1,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0.1,0,0,0.1,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0.1,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0.1,0.1,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('818a8f21-073b-4f76-a443-c4cc39920a40', '97bfdf3d-c50f-0134-b33c-144ddb48d7fe', '2026-11-26 14:53:03.241', '[0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0.1,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0.2,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('35ef2d6f-669c-4b56-944a-a44a6c2b46ea', '05593980-48c6-0674-865a-79fc67d81f2b', '2026-11-26 14:53:05.869', '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0.1,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('954db97b-5037-4776-8846-0bcbaa31c110', '643fda49-eab3-0931-b253-65131f93b4ab', '2026-11-26 14:53:05.876', '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0.1,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('c6af29b3-da8f-439f-945a-6a96e35061e5', '7c69fcdf-9163-0402-87ce-8854a8fc6647', '2026-11-26 14:53:08.694', '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('b8122556-4267-416f-869d-3a55d3501958', '529d816c-a78d-084c-b7b2-bcd77dc766d3', '2026-11-26 14:53:08.703', '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('ef3e7de0-6822-4fee-bebd-aed90f921e35', '79a60c31-7a8e-0ae4-81f3-91a1e4d9d7f1', '2026-11-26 14:53:11.162', '[0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('45145c74-47ff-4d3e-8c50-ba45bb06342b', '9b3962e1-57d3-000d-9f9a-640abd1fe07e', '2026-11-26 14:53:13.677', '[0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('4eff4720-67e9-42db-a5fa-254fc6c4f39e', 'bc6919d7-565b-0129-8752-91c6f9c05f4a', '2026-11-26 14:53:15.748', '[0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('986afca7-7bfa-4cda-90fe-9a6d62d131ba', 'f917fe02-5eb2-0ab4-aaa9-2fb9b9e3b79d', '2026-11-26 14:53:18.662', '[0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0.1,0,0,0,0.1,0,0,0,0,0.1,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('41b8f350-9069-4165-917c-f545e200972a', 'bf0da824-d255-003b-a4f2-86cc19b743f9', '2026-11-26 14:53:20.969', '[0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0.1,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.embeddings VALUES ('7c30f5ea-6f4c-44fc-9ef7-a56f11c6b1fb', 'ab532d1b-6726-02d2-9113-913051659880', '2026-11-26 14:53:23.425', '[0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0.1,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.entities VALUES ('5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '2026-11-26 14:52:54.704', '{Ada}', '{}');
INSERT INTO public.entities VALUES ('01c95267-dd29-02bc-a9ad-d243b05a8d51', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '2026-11-26 14:52:54.811', '{Grace}', '{}');
INSERT INTO public.entities VALUES ('22222222-2222-4222-8222-222222222222', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '2026-11-26 14:53:08.086', '{Max}', '{"source": "client_chat", "client_chat": {}}');
INSERT INTO public.entities VALUES ('11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '2026-11-26 14:52:58.022', '{Lin}', '{"source": "client_chat", "client_chat": {}}');
INSERT INTO public.memories VALUES ('21c43e4f-12c8-0910-92f9-cf24b96ca0ca', 'messages', '2026-11-26 14:52:57.948', '{"text": "Hello Ada", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "Hello Ada", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin"}, "isDm": true, "type": "message", "source": "client_chat", "sourceId": "36ac8319-bb67-45fa-a9b8-7d3efbea5a94", "channelType": "DM", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('58ba29a5-fdd3-488c-aad9-488a6bfe7798', 'messages', '2026-11-26 14:52:58.29', '{"name": "X", "text": "pong", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "fddacae4-49bb-0a5a-bf18-d047bb970e3c", "providers": [], "reasoning": "r", "responseId": "58ba29a5-fdd3-488c-aad9-488a6bfe7798"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('b69121c2-f804-0602-94be-c9423cdc2f16', 'messages', '2026-11-26 14:53:00.47', '{"text": "I grow tomatoes on my balcony. What do they want?", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "I grow tomatoes on my balcony. What do they want?", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin"}, "isDm": true, "type": "message", "source": "client_chat", "sourceId": "3212ab81-0bf2-4126-bc04-4b6321f8b265", "channelType": "DM", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('2fc75633-7835-42de-a548-0c7857e20fd2', 'messages', '2026-11-26 14:53:00.694', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "35c00580-b5e5-0de9-af13-f59e49477306", "providers": [], "reasoning": "r", "responseId": "2fc75633-7835-42de-a548-0c7857e20fd2"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('97bfdf3d-c50f-0134-b33c-144ddb48d7fe', 'messages', '2026-11-26 14:53:02.999', '{"text": "Zoë says “thank you” 🌱", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "Zoë says “thank you” 🌱", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin"}, "isDm": true, "type": "message", "source": "client_chat", "sourceId": "03666c85-ad65-4ced-8625-91d503342f72", "channelType": "DM", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('dec43c2b-0bc6-437c-8d3f-d3af48f4540b', 'messages', '2026-11-26 14:53:03.229', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "2772b54f-1dbc-0aea-8f3d-3044a7744d21", "providers": [], "reasoning": "r", "responseId": "dec43c2b-0bc6-437c-8d3f-d3af48f4540b"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('643fda49-eab3-0931-b253-65131f93b4ab', 'messages', '2026-11-26 14:53:05.527', '{"text": "Who knows about tomatoes?", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '457491b3-f5a2-0ad4-8113-eb224cf5f73a', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "Who knows about tomatoes?", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin", "attachments": [{"id": "picture", "url": "https://example.org/plant.png", "title": "a plant", "contentType": "image"}]}, "type": "message", "source": "client_chat", "sourceId": "cf586d1c-d0db-4cd9-890c-9f60711ee08a", "channelType": "GROUP", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('05593980-48c6-0674-865a-79fc67d81f2b', 'messages', '2026-11-26 14:53:05.527', '{"text": "Who knows about tomatoes?", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '8e67a528-cc2a-08ae-82d1-8f77930cf3bb', '908ddb03-6a41-0ebc-8feb-6a865437f98e', true, '{"raw": {"text": "Who knows about tomatoes?", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin", "attachments": [{"id": "picture", "url": "https://example.org/plant.png", "title": "a plant", "contentType": "image"}]}, "type": "message", "source": "client_chat", "sourceId": "cf586d1c-d0db-4cd9-890c-9f60711ee08a", "channelType": "GROUP", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('cefa81ef-12c7-462a-ab76-164b8f43954e', 'messages', '2026-11-26 14:53:05.827', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "0035c281-5fe6-0ac3-b155-1040adc04ada", "providers": [], "reasoning": "r", "responseId": "cefa81ef-12c7-462a-ab76-164b8f43954e"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '457491b3-f5a2-0ad4-8113-eb224cf5f73a', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('1f13b210-6d47-434a-b7aa-fb2bf018b448', 'messages', '2026-11-26 14:53:05.846', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "6898b351-5434-0784-a0e2-ef5211ec5f2b", "providers": [], "reasoning": "r", "responseId": "1f13b210-6d47-434a-b7aa-fb2bf018b448"}', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '8e67a528-cc2a-08ae-82d1-8f77930cf3bb', '908ddb03-6a41-0ebc-8feb-6a865437f98e', true, '{}');
INSERT INTO public.memories VALUES ('529d816c-a78d-084c-b7b2-bcd77dc766d3', 'messages', '2026-11-26 14:53:08.052', '{"text": "Ada does, I think.", "source": "client_chat"}', '22222222-2222-4222-8222-222222222222', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '457491b3-f5a2-0ad4-8113-eb224cf5f73a', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "Ada does, I think.", "senderId": "22222222-2222-4222-8222-222222222222", "senderName": "Max"}, "type": "message", "source": "client_chat", "sourceId": "1ac03932-4c68-4ac9-ab23-5f713964d883", "channelType": "GROUP", "user_display_name": "Max"}');
INSERT INTO public.memories VALUES ('7c69fcdf-9163-0402-87ce-8854a8fc6647', 'messages', '2026-11-26 14:53:08.052', '{"text": "Ada does, I think.", "source": "client_chat"}', '22222222-2222-4222-8222-222222222222', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '8e67a528-cc2a-08ae-82d1-8f77930cf3bb', '908ddb03-6a41-0ebc-8feb-6a865437f98e', true, '{"raw": {"text": "Ada does, I think.", "senderId": "22222222-2222-4222-8222-222222222222", "senderName": "Max"}, "type": "message", "source": "client_chat", "sourceId": "1ac03932-4c68-4ac9-ab23-5f713964d883", "channelType": "GROUP", "user_display_name": "Max"}');
INSERT INTO public.memories VALUES ('90363076-39df-4972-8804-d8d3fa1f56a3', 'messages', '2026-11-26 14:53:08.649', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "4fab9a97-6f3d-0fe7-a285-d02ad395e500", "providers": [], "reasoning": "r", "responseId": "90363076-39df-4972-8804-d8d3fa1f56a3"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '457491b3-f5a2-0ad4-8113-eb224cf5f73a', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('b6858b74-7d1d-4a9a-a160-3c8d46131928', 'messages', '2026-11-26 14:53:08.683', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "bb881955-674a-0e1a-b131-50532a95bcb8", "providers": [], "reasoning": "r", "responseId": "b6858b74-7d1d-4a9a-a160-3c8d46131928"}', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '8e67a528-cc2a-08ae-82d1-8f77930cf3bb', '908ddb03-6a41-0ebc-8feb-6a865437f98e', true, '{}');
INSERT INTO public.memories VALUES ('79a60c31-7a8e-0ae4-81f3-91a1e4d9d7f1', 'messages', '2026-11-26 14:53:10.564', '{"text": "tomatoes, one", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "tomatoes, one", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin"}, "isDm": true, "type": "message", "source": "client_chat", "sourceId": "81af5eef-99f9-4b7d-8df3-a452b472fa3c", "channelType": "DM", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('9a7d4d6b-d75c-4394-98ed-888e7dbb9785', 'messages', '2026-11-26 14:53:11.12', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "5fb4548f-1a27-0443-a0d9-aa98ed06d5ed", "providers": [], "reasoning": "r", "responseId": "9a7d4d6b-d75c-4394-98ed-888e7dbb9785"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('9b3962e1-57d3-000d-9f9a-640abd1fe07e', 'messages', '2026-11-26 14:53:13.089', '{"text": "tomatoes, two", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "tomatoes, two", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin"}, "isDm": true, "type": "message", "source": "client_chat", "sourceId": "2079309a-3364-4d49-ad9b-d2e7077237f5", "channelType": "DM", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('e2a02e11-458b-4a35-9830-9ab9747f9d73', 'messages', '2026-11-26 14:53:13.605', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "232e9c3a-784f-05b5-8e44-e30d9b93c9b2", "providers": [], "reasoning": "r", "responseId": "e2a02e11-458b-4a35-9830-9ab9747f9d73"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('bc6919d7-565b-0129-8752-91c6f9c05f4a', 'messages', '2026-11-26 14:53:15.608', '{"text": "tomatoes, three", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "tomatoes, three", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin"}, "isDm": true, "type": "message", "source": "client_chat", "sourceId": "67be323c-9166-465d-90af-6ad2fbde0694", "channelType": "DM", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('dd71f84a-7754-4341-9db7-44e8f3a9ce6e', 'messages', '2026-11-26 14:53:15.731', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "f6bf694d-2e9a-07eb-9f5c-3401ca4ef445", "providers": [], "reasoning": "r", "responseId": "dd71f84a-7754-4341-9db7-44e8f3a9ce6e"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('f917fe02-5eb2-0ab4-aaa9-2fb9b9e3b79d', 'messages', '2026-11-26 14:53:18.135', '{"text": "tomatoes, four", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "tomatoes, four", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin"}, "isDm": true, "type": "message", "source": "client_chat", "sourceId": "fdb7eaaa-a089-4006-93be-bdd0d808eb89", "channelType": "DM", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('9cc68f4e-41bc-481b-b530-91f65d657dfc', 'messages', '2026-11-26 14:53:18.627', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "4314fa1f-0f25-0978-9684-55098cf21be7", "providers": [], "reasoning": "r", "responseId": "9cc68f4e-41bc-481b-b530-91f65d657dfc"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('bf0da824-d255-003b-a4f2-86cc19b743f9', 'messages', '2026-11-26 14:53:20.672', '{"text": "tomatoes, five", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "tomatoes, five", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin"}, "isDm": true, "type": "message", "source": "client_chat", "sourceId": "d34c4a56-46c4-4018-bdec-4e16bd9e5cb2", "channelType": "DM", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('f3317010-2445-4a48-98a4-a84cae43ec85', 'messages', '2026-11-26 14:53:20.961', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "fc9218a6-c46c-033e-a0ee-761a4f9738c1", "providers": [], "reasoning": "r", "responseId": "f3317010-2445-4a48-98a4-a84cae43ec85"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.memories VALUES ('ab532d1b-6726-02d2-9113-913051659880', 'messages', '2026-11-26 14:53:23.198', '{"text": "tomatoes, six", "source": "client_chat"}', '11111111-1111-4111-8111-111111111111', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{"raw": {"text": "tomatoes, six", "senderId": "11111111-1111-4111-8111-111111111111", "senderName": "Lin"}, "isDm": true, "type": "message", "source": "client_chat", "sourceId": "48d42adc-1976-4a96-8f22-a0de418de64f", "channelType": "DM", "user_display_name": "Lin"}');
INSERT INTO public.memories VALUES ('6cb83a85-da00-4d8f-b481-19c9d0586610', 'messages', '2026-11-26 14:53:23.41', '{"name": "X", "text": "Tomatoes want much sun & water.", "action": "RESPOND", "simple": true, "actions": ["REPLY"], "thought": "a thought", "inReplyTo": "50a44da0-dfff-0946-b17b-d19a0e70aea7", "providers": [], "reasoning": "r", "responseId": "6cb83a85-da00-4d8f-b481-19c9d0586610"}', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', true, '{}');
INSERT INTO public.message_server_agents VALUES ('00000000-0000-0000-0000-000000000000', '01c95267-dd29-02bc-a9ad-d243b05a8d51');
INSERT INTO public.message_server_agents VALUES ('00000000-0000-0000-0000-000000000000', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c');
INSERT INTO public.message_servers VALUES ('00000000-0000-0000-0000-000000000000', 'Default Server', 'eliza_default', NULL, NULL, '2026-11-26 14:52:54.173', '2026-11-26 14:52:54.173');
INSERT INTO public.message_servers VALUES ('5f710a82-8edf-4c1a-8b7a-e09b60866b96', 'Workshop', 'discord', 'guild-7', '{"region": "eu"}', '2026-11-26 14:52:57.877', '2026-11-26 14:52:57.877');
INSERT INTO public.participants VALUES ('25e06346-fa40-4d71-b1c9-ff2fbb163f40', '2026-11-26 14:52:54.715+00', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', NULL);
INSERT INTO public.participants VALUES ('fd584424-b3af-41b4-b0d9-488ed409120b', '2026-11-26 14:52:54.827+00', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '01c95267-dd29-02bc-a9ad-d243b05a8d51', NULL);
INSERT INTO public.participants VALUES ('25ee5e0c-3a7c-4e69-9d88-3a5fa08eb142', '2026-11-26 14:52:58.07+00', '11111111-1111-4111-8111-111111111111', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', NULL);
INSERT INTO public.participants VALUES ('08375fe4-aca0-47e0-ba71-45d496edbfa6', '2026-11-26 14:52:58.087+00', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'b4895e95-cd68-01d4-baf0-eae57d9fba61', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', NULL);
INSERT INTO public.participants VALUES ('fc1c56e4-7812-4996-ad3c-de0797d84540', '2026-11-26 14:53:05.613+00', '11111111-1111-4111-8111-111111111111', '457491b3-f5a2-0ad4-8113-eb224cf5f73a', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', NULL);
INSERT INTO public.participants VALUES ('a7cd9442-2f55-4df3-93a7-165de0927ba0', '2026-11-26 14:53:05.621+00', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '457491b3-f5a2-0ad4-8113-eb224cf5f73a', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', NULL);
INSERT INTO public.participants VALUES ('2a17eede-e533-4d55-8168-76de44f6c8ae', '2026-11-26 14:53:05.722+00', '11111111-1111-4111-8111-111111111111', '8e67a528-cc2a-08ae-82d1-8f77930cf3bb', '01c95267-dd29-02bc-a9ad-d243b05a8d51', NULL);
INSERT INTO public.participants VALUES ('d0cb9f3b-9ed8-4860-a746-1f3647852ac2', '2026-11-26 14:53:05.724+00', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '8e67a528-cc2a-08ae-82d1-8f77930cf3bb', '01c95267-dd29-02bc-a9ad-d243b05a8d51', NULL);
INSERT INTO public.participants VALUES ('92de8612-238d-43a0-adab-40aba006f557', '2026-11-26 14:53:08.139+00', '22222222-2222-4222-8222-222222222222', '457491b3-f5a2-0ad4-8113-eb224cf5f73a', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', NULL);
INSERT INTO public.participants VALUES ('492db439-5fbb-44eb-bf81-068db71ce260', '2026-11-26 14:53:08.375+00', '22222222-2222-4222-8222-222222222222', '8e67a528-cc2a-08ae-82d1-8f77930cf3bb', '01c95267-dd29-02bc-a9ad-d243b05a8d51', NULL);
INSERT INTO public.participants VALUES ('7f2bae52-7932-4419-a1fd-96856bd1273d', '2026-11-26 14:53:25.737+00', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '268aad1a-9cda-0d54-a909-134f6fac10fc', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'FOLLOWED');
INSERT INTO public.rooms VALUES ('5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'elizaos', 'SELF', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Ada', NULL, '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '2026-11-26 14:52:54.712');
INSERT INTO public.rooms VALUES ('01c95267-dd29-02bc-a9ad-d243b05a8d51', '01c95267-dd29-02bc-a9ad-d243b05a8d51', 'elizaos', 'SELF', '01c95267-dd29-02bc-a9ad-d243b05a8d51', '01c95267-dd29-02bc-a9ad-d243b05a8d51', 'Grace', NULL, '01c95267-dd29-02bc-a9ad-d243b05a8d51', '2026-11-26 14:52:54.825');
INSERT INTO public.rooms VALUES ('b4895e95-cd68-01d4-baf0-eae57d9fba61', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'client_chat', 'DM', '00000000-0000-0000-0000-000000000000', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', 'Channel ebc0bd7b', NULL, 'ebc0bd7b-2209-4008-b953-7005365b488d', '2026-11-26 14:52:58.019');
INSERT INTO public.rooms VALUES ('457491b3-f5a2-0ad4-8113-eb224cf5f73a', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'client_chat', 'GROUP', '00000000-0000-0000-0000-000000000000', 'bb6f3589-88d0-0d0f-846b-2049cd43e75a', 'Channel 2ba6884b', NULL, '2ba6884b-00f4-46c4-9c20-c6db624d4a62', '2026-11-26 14:53:05.555');
INSERT INTO public.rooms VALUES ('8e67a528-cc2a-08ae-82d1-8f77930cf3bb', '01c95267-dd29-02bc-a9ad-d243b05a8d51', 'client_chat', 'GROUP', '00000000-0000-0000-0000-000000000000', '908ddb03-6a41-0ebc-8feb-6a865437f98e', 'Channel 2ba6884b', NULL, '2ba6884b-00f4-46c4-9c20-c6db624d4a62', '2026-11-26 14:53:05.707');
INSERT INTO public.rooms VALUES ('268aad1a-9cda-0d54-a909-134f6fac10fc', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'client', 'DM', NULL, '8c839b86-6c8f-0863-8cb5-7acbbf8a0032', 'Study', NULL, '268aad1a-9cda-0d54-a909-134f6fac10fc', '2026-11-26 14:53:25.737');
INSERT INTO public.worlds VALUES ('5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Ada''s World', NULL, '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', '2026-11-26 14:52:54.672');
INSERT INTO public.worlds VALUES ('01c95267-dd29-02bc-a9ad-d243b05a8d51', '01c95267-dd29-02bc-a9ad-d243b05a8d51', 'Grace''s World', NULL, '01c95267-dd29-02bc-a9ad-d243b05a8d51', '2026-11-26 14:52:54.776');
INSERT INTO public.worlds VALUES ('bb6f3589-88d0-0d0f-846b-2049cd43e75a', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'Server 00000000', '{}', '00000000-0000-0000-0000-000000000000', '2026-11-26 14:52:58.014');
INSERT INTO public.worlds VALUES ('908ddb03-6a41-0ebc-8feb-6a865437f98e', '01c95267-dd29-02bc-a9ad-d243b05a8d51', 'Server 00000000', '{}', '00000000-0000-0000-0000-000000000000', '2026-11-26 14:53:05.706');
INSERT INTO public.worlds VALUES ('8c839b86-6c8f-0863-8cb5-7acbbf8a0032', '5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c', 'World for Study', NULL, NULL, '2026-11-26 14:53:25.734');
ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.cache
    ADD CONSTRAINT cache_key_agent_id_pk PRIMARY KEY (key, agent_id);
ALTER TABLE ONLY public.central_messages
    ADD CONSTRAINT central_messages_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.channel_participants
    ADD CONSTRAINT channel_participants_channel_id_entity_id_pk PRIMARY KEY (channel_id, entity_id);
ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.embeddings
    ADD CONSTRAINT embeddings_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.entities
    ADD CONSTRAINT id_agent_id_unique UNIQUE (id, agent_id);
ALTER TABLE ONLY public.memories
    ADD CONSTRAINT memories_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.message_server_agents
    ADD CONSTRAINT message_server_agents_message_server_id_agent_id_pk PRIMARY KEY (message_server_id, agent_id);
ALTER TABLE ONLY public.message_servers
    ADD CONSTRAINT message_servers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.participants
    ADD CONSTRAINT participants_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT relationships_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.rooms
    ADD CONSTRAINT rooms_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.servers
    ADD CONSTRAINT servers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT unique_relationship UNIQUE (source_entity_id, target_entity_id, agent_id);
ALTER TABLE ONLY public.worlds
    ADD CONSTRAINT worlds_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.cache
    ADD CONSTRAINT cache_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.central_messages
    ADD CONSTRAINT central_messages_channel_id_channels_id_fk FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.central_messages
    ADD CONSTRAINT central_messages_in_reply_to_root_message_id_central_messages_i FOREIGN KEY (in_reply_to_root_message_id) REFERENCES public.central_messages(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.channel_participants
    ADD CONSTRAINT channel_participants_channel_id_channels_id_fk FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_message_server_id_message_servers_id_fk FOREIGN KEY (message_server_id) REFERENCES public.message_servers(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_entity_id_entities_id_fk FOREIGN KEY (entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_room_id_rooms_id_fk FOREIGN KEY (room_id) REFERENCES public.rooms(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_source_entity_id_entities_id_fk FOREIGN KEY (source_entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_world_id_worlds_id_fk FOREIGN KEY (world_id) REFERENCES public.worlds(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.embeddings
    ADD CONSTRAINT embeddings_memory_id_memories_id_fk FOREIGN KEY (memory_id) REFERENCES public.memories(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.entities
    ADD CONSTRAINT entities_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.memories
    ADD CONSTRAINT fk_agent FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.embeddings
    ADD CONSTRAINT fk_embedding_memory FOREIGN KEY (memory_id) REFERENCES public.memories(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.participants
    ADD CONSTRAINT fk_room FOREIGN KEY (room_id) REFERENCES public.rooms(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.participants
    ADD CONSTRAINT fk_user FOREIGN KEY (entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT fk_user_a FOREIGN KEY (source_entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT fk_user_b FOREIGN KEY (target_entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.logs
    ADD CONSTRAINT logs_entity_id_entities_id_fk FOREIGN KEY (entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.logs
    ADD CONSTRAINT logs_room_id_rooms_id_fk FOREIGN KEY (room_id) REFERENCES public.rooms(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.memories
    ADD CONSTRAINT memories_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.memories
    ADD CONSTRAINT memories_entity_id_entities_id_fk FOREIGN KEY (entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.memories
    ADD CONSTRAINT memories_room_id_rooms_id_fk FOREIGN KEY (room_id) REFERENCES public.rooms(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.message_server_agents
    ADD CONSTRAINT message_server_agents_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.message_server_agents
    ADD CONSTRAINT message_server_agents_message_server_id_message_servers_id_fk FOREIGN KEY (message_server_id) REFERENCES public.message_servers(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.participants
    ADD CONSTRAINT participants_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.participants
    ADD CONSTRAINT participants_entity_id_entities_id_fk FOREIGN KEY (entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.participants
    ADD CONSTRAINT participants_room_id_rooms_id_fk FOREIGN KEY (room_id) REFERENCES public.rooms(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT relationships_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT relationships_source_entity_id_entities_id_fk FOREIGN KEY (source_entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT relationships_target_entity_id_entities_id_fk FOREIGN KEY (target_entity_id) REFERENCES public.entities(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.rooms
    ADD CONSTRAINT rooms_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.worlds
    ADD CONSTRAINT worlds_agent_id_agents_id_fk FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;
