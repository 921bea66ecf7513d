//! The schema of a character, which `core_types::character` reads and writes.
#![expect(dead_code, reason = "schemas only")]

use utoipa::ToSchema;

/// Who an agent is. Other keys are refused.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Character {
    /// The agent's id; made of its name where absent.
    #[schema(value_type = Option<Uuid>)]
    id: Option<String>,
    #[schema(min_length = 1, max_length = 128, example = "Eliza")]
    name: String,
    /// A handle on other platforms.
    #[schema(example = "eliza")]
    username: Option<String>,
    /// Instructions for the model.
    #[schema(example = "You are a therapist.")]
    system: Option<String>,
    /// A description, one text or several statements; given back as it came.
    bio: OneOrMany,
    /// Background stories.
    lore: Option<OneOrMany>,
    /// Texts that replace the server's own instructions for a step, by name (`messageHandlerTemplate`, ...).
    #[schema(value_type = Option<Object>, nullable = false)]
    templates: Option<()>,
    /// Sample conversations.
    message_examples: Option<Vec<Vec<MessageExample>>>,
    /// Sample posts.
    #[schema(example = json!(["How does that make you feel?"]))]
    post_examples: Option<Vec<String>>,
    /// What the agent likes to talk about.
    #[schema(example = json!(["dreams"]))]
    topics: Option<Vec<String>>,
    /// How others would describe it.
    #[schema(example = json!(["patient"]))]
    adjectives: Option<Vec<String>>,
    /// What it knows.
    knowledge: Option<Vec<Knowledge>>,
    /// Names of elizaOS plugins; those that hint at a model provider choose it.
    #[schema(example = json!(["@elizaos/plugin-openai"]))]
    plugins: Option<Vec<String>>,
    /// Free-form. Values in `secrets` are encrypted, and are only ever shown masked.
    #[schema(value_type = Option<Object>, nullable = false, example = json!({"model": "gpt-5-mini"}))]
    settings: Option<()>,
    /// The same as `settings.secrets`; only read.
    #[schema(value_type = Option<Object>, nullable = false, write_only)]
    secrets: Option<()>,
    style: Option<Style>,
}

/// One text or several.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(example = json!(["A therapist of the old school."]))]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A line of a sample conversation.
#[derive(ToSchema)]
pub(crate) struct MessageExample {
    /// Who speaks; `{{user1}}` and the like stand for any person.
    #[schema(example = "{{user1}}")]
    name: String,
    /// What is said: `text`, perhaps `actions`, and any other key.
    #[schema(value_type = Object, example = json!({"text": "I had a dream."}))]
    content: (),
}

/// The text itself, or `{path, shared?}` or `{directory, shared?}`.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(example = "The sessions last an hour.")]
pub(crate) enum Knowledge {
    Text(String),
    #[schema(value_type = Object)]
    Reference(Reference),
}

/// A file or a directory of knowledge.
#[derive(ToSchema)]
pub(crate) struct Reference {
    path: Option<String>,
    directory: Option<String>,
    shared: Option<bool>,
}

/// How the agent writes.
#[derive(ToSchema)]
#[schema(example = json!({"all": ["In short sentences."]}))]
pub(crate) struct Style {
    /// Everywhere.
    #[schema(nullable = false)]
    all: Option<Vec<String>>,
    /// In conversation.
    #[schema(nullable = false)]
    chat: Option<Vec<String>>,
    /// In posts.
    #[schema(nullable = false)]
    post: Option<Vec<String>>,
}
