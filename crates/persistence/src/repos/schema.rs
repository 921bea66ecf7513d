//! The tables, as the migrations make them.

macro_rules! tables {
    ($($name:ident ($($key:ident),+) { $($columns:tt)* })+) => {
        $(table! { $name ($($key),+) { $($columns)* } })+
        diesel::allow_tables_to_appear_in_same_query!($($name),+);
    };
}

tables! {
    agents (id) {
        id -> IdSql,
        name -> Text,
        bio -> Text,
        character -> JsonSql,
        enabled -> Bool,
        running -> Bool,
        owner -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
    agent_secrets (agent_id, name) {
        agent_id -> IdSql,
        name -> Text,
        sealed -> Binary,
    }
    message_servers (id) {
        ordinal -> BigInt,
        id -> IdSql,
        name -> Text,
        source_type -> Text,
        source_id -> Nullable<Text>,
        metadata -> JsonSql,
        owner -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
    server_agents (server_id, agent_id) {
        ordinal -> BigInt,
        server_id -> IdSql,
        agent_id -> IdSql,
    }
    channels (id) {
        ordinal -> BigInt,
        id -> IdSql,
        server_id -> IdSql,
        name -> Text,
        kind -> Text,
        source_type -> Nullable<Text>,
        source_id -> Nullable<Text>,
        topic -> Nullable<Text>,
        metadata -> JsonSql,
        last_seq -> BigInt,
        last_message_at -> BigInt,
        agent_turns -> Integer,
        owner -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
    channels_gone (id) {
        id -> IdSql,
        owner -> Nullable<Text>,
        gone_at -> BigInt,
    }
    channel_participants (channel_id, entity_id) {
        channel_id -> IdSql,
        entity_id -> IdSql,
        position -> Integer,
    }
    messages (id) {
        ordinal -> BigInt,
        id -> IdSql,
        channel_id -> IdSql,
        server_id -> IdSql,
        author_id -> IdSql,
        author_name -> Nullable<Text>,
        content -> Text,
        raw -> Nullable<JsonSql>,
        source_type -> Nullable<Text>,
        source_id -> Nullable<Text>,
        source_key -> Nullable<Text>,
        metadata -> JsonSql,
        in_reply_to -> Nullable<IdSql>,
        seq -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
    channel_events (channel_id, seq) {
        channel_id -> IdSql,
        seq -> BigInt,
        kind -> Text,
        message_id -> Nullable<IdSql>,
        payload -> Nullable<JsonSql>,
        created_at -> BigInt,
    }
    deliveries (id) {
        ordinal -> BigInt,
        id -> IdSql,
        message_id -> IdSql,
        agent_id -> IdSql,
        channel_id -> IdSql,
        author_id -> IdSql,
        seq -> BigInt,
        reply_id -> IdSql,
        must_answer -> Bool,
        state -> Text,
        attempt -> Integer,
        given_back -> Integer,
        due_at -> Nullable<BigInt>,
        created_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        tenant -> Nullable<Text>,
    }
    idempotency (caller, route, key) {
        caller -> Text,
        route -> Text,
        key -> Text,
        body_hash -> Binary,
        message_id -> IdSql,
        created_at -> BigInt,
        status -> Nullable<Integer>,
        answer -> Nullable<Text>,
    }
    worlds (id) {
        ordinal -> BigInt,
        id -> IdSql,
        agent_id -> IdSql,
        name -> Text,
        server_id -> Nullable<IdSql>,
        metadata -> JsonSql,
        created_at -> BigInt,
    }
    rooms (id) {
        id -> IdSql,
        agent_id -> IdSql,
        world_id -> IdSql,
        channel_id -> Nullable<IdSql>,
        name -> Text,
        kind -> Text,
        source -> Text,
        server_id -> Nullable<IdSql>,
        metadata -> JsonSql,
        created_at -> BigInt,
    }
    entities (agent_id, id) {
        agent_id -> IdSql,
        id -> IdSql,
        names -> JsonSql,
        metadata -> JsonSql,
    }
    participants (room_id, entity_id) {
        room_id -> IdSql,
        entity_id -> IdSql,
        room_state -> Nullable<Text>,
        reflected_to -> BigInt,
    }
    memories (id) {
        ordinal -> BigInt,
        id -> IdSql,
        agent_id -> IdSql,
        table_name -> Text,
        room_id -> IdSql,
        world_id -> Nullable<IdSql>,
        entity_id -> IdSql,
        content -> JsonSql,
        metadata -> JsonSql,
        is_unique -> Bool,
        created_at -> BigInt,
        source_message_id -> Nullable<IdSql>,
        source_author_id -> Nullable<IdSql>,
        source_channel_id -> Nullable<IdSql>,
        source_run_id -> Nullable<IdSql>,
        trust -> Nullable<Text>,
        document_id -> Nullable<IdSql>,
        words_version -> Integer,
        embedded -> Bool,
    }
    embedding_spaces (id) {
        id -> Integer,
        model -> Text,
        dimension -> Integer,
        version -> Text,
    }
    memory_vectors (number) {
        number -> BigInt,
        memory_ordinal -> BigInt,
        memory_id -> IdSql,
        agent_id -> IdSql,
        space_id -> Integer,
        table_name -> Text,
        room_id -> IdSql,
        world_id -> Nullable<IdSql>,
        entity_id -> IdSql,
        created_at -> BigInt,
        scale -> Float,
        numbers -> Binary,
    }
    vectors_gone (place) {
        place -> BigInt,
        number -> BigInt,
        agent_id -> IdSql,
        space_id -> Integer,
    }
    media (id) {
        id -> IdSql,
        family -> Text,
        owner_id -> IdSql,
        media_type -> Text,
        original_name -> Text,
        size -> BigInt,
        sha256 -> Binary,
        created_at -> BigInt,
    }
    sessions (id) {
        ordinal -> BigInt,
        id -> IdSql,
        channel_id -> IdSql,
        agent_id -> IdSql,
        user_id -> IdSql,
        metadata -> JsonSql,
        timeout_minutes -> Integer,
        auto_renew -> Bool,
        max_duration_minutes -> Integer,
        warning_threshold_minutes -> Integer,
        renewals -> Integer,
        created_at -> BigInt,
        last_activity_at -> BigInt,
        expires_at -> BigInt,
        tenant -> Nullable<Text>,
    }
    jobs (id) {
        ordinal -> BigInt,
        id -> IdSql,
        message_id -> IdSql,
        delivery_id -> IdSql,
        reply_id -> IdSql,
        agent_id -> IdSql,
        created_at -> BigInt,
        expires_at -> BigInt,
        tenant -> Nullable<Text>,
    }
    api_keys (id) {
        ordinal -> BigInt,
        id -> IdSql,
        name -> Text,
        tenant -> Text,
        permissions -> Text,
        servers -> JsonSql,
        hash -> Binary,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
    }
    runs (id) {
        ordinal -> BigInt,
        id -> IdSql,
        agent_id -> IdSql,
        delivery_id -> IdSql,
        room_id -> IdSql,
        entity_id -> IdSql,
        message_id -> IdSql,
        status -> Text,
        started_at -> BigInt,
        ended_at -> BigInt,
        metadata -> JsonSql,
    }
    logs (id) {
        ordinal -> BigInt,
        id -> IdSql,
        agent_id -> IdSql,
        entity_id -> IdSql,
        room_id -> IdSql,
        kind -> Text,
        body -> JsonSql,
        created_at -> BigInt,
    }
}
