//! Uploading large files.

use serde_json::json;

use super::{beside_limit, lanes, put};
use crate::cli::{Common, UploadArgs};
use crate::failure::Outcome;
use crate::figures::{Line, float, mib, rounded};
use crate::limits::files;
use crate::load::Expected;
use crate::target::Target;

/// Any agent will do; it need not exist.
const PATH: &str = "/api/media/agents/8ff3442d-deec-4e87-b795-ca44c826dc0c/upload-media";

pub(super) fn run(arguments: &UploadArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let content = files::content(arguments.mib);
    let limit = |when| files::measure(common, &content, when);
    let before = arguments.limit.then(|| limit("before")).transpose()?;
    let idle = target.resident();
    let requests = vec![target.form(PATH, "large.png", "image/png", &content)];
    let measured = put(&target.load(lanes(arguments.connections, requests), Expected { status: 200, contains: "\"url\":" }))?;
    let mut parameters = target.parameters();
    parameters.insert("connections".to_owned(), json!(arguments.connections));
    parameters.insert("mib".to_owned(), json!(arguments.mib));
    let resident = target.resident();
    let growth = idle.zip(resident).map(|(idle, after)| mib(after.peak.saturating_sub(idle.now)));
    let line = Line::new("upload", parameters).measured(&measured).resident(resident);
    let rate = line.rate_per_s.map(|rate| rounded(rate * float(arguments.mib.into())));
    let line = line.with("mib_per_s", json!(rate)).with("rss_growth_mib", json!(growth));
    let after = arguments.limit.then(|| limit("after")).transpose()?;
    Ok(match (before, after) {
        (Some(before), Some(after)) => beside_limit(line, "synced file write", &before, &after),
        _ => line,
    })
}
