//! The web UI: the files of a directory that the operator names (`ELIZA_UI_DIR`), and its page for every address that it has.

use std::path::{Component, Path, PathBuf};

use actix_files::NamedFile;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;

use crate::app::Shared;
use crate::errors::{ApiError, ApiResult};

/// The page of which the UI is made.
const PAGE: &str = "index.html";

/// Names of files that are made anew with their content end in a hash of it; everything else is asked for again.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";

/// What the UI may do: its own scripts, styles that it writes itself, pictures and players of elsewhere. It talks to this server, and
/// asks where it is published whether there is a newer one, which plugins there are, and whose voices. Its logger makes functions of text as it starts (`fast-redact`), and nothing is shown where it may not.
const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data: blob: https:; media-src 'self' data: blob: https:; font-src 'self' data:; \
                      connect-src 'self' ws: wss: https://api.github.com https://raw.githubusercontent.com https://api.elevenlabs.io; frame-src 'self' https:; worker-src 'self' blob:; object-src 'none'; \
                      base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

/// What is never the UI's, nor anything below it, whatever its case.
const OURS: [&str; 6] = ["/api", "/media", "/socket.io", "/metrics", "/health", "/healthz"];

/// Whether a path may be one of the UI's, whose files are told by their case. Escapes and slashes before it make no other path of
/// what is ours.
pub(crate) fn may_have(path: &str) -> bool {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let first = decoded.trim_start_matches('/').split('/').next().unwrap_or_default();
    !OURS.iter().any(|ours| ours.trim_start_matches('/').eq_ignore_ascii_case(first))
}

/// Answers what no route does: with a file of the UI, or with its page, which finds out what to show. Where there is no UI, there is
/// nothing.
pub(crate) async fn serve(request: HttpRequest) -> ApiResult {
    let folder = request.app_data::<Data<Shared>>().and_then(|state| state.settings.ui.clone());
    match folder.filter(|_| request.method() == Method::GET && may_have(request.path())) {
        Some(folder) => Ok(answer(&request, &folder)),
        None => Err(ApiError::no_route()),
    }
}

fn answer(request: &HttpRequest, folder: &Path) -> HttpResponse {
    let path = request.path();
    if let Some(file) = file_of(folder, path) {
        return respond(request, file, if path.starts_with("/assets/") { FOR_EVER } else { REVALIDATE });
    }
    // A page that is older than the files asks for scripts that are gone; as a page they would only confuse it.
    if path.starts_with("/assets/") || has_extension(path) {
        return HttpResponse::build(StatusCode::NOT_FOUND)
            .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
            .body("There is no such file; reload the page");
    }
    let Some(page) = file_of(folder, PAGE) else {
        log::error!("there is no {PAGE} in ELIZA_UI_DIR ({}): name the folder of a built web UI", folder.display());
        return HttpResponse::build(StatusCode::NOT_FOUND)
            .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
            .body("There is no web UI in the folder that the server was told");
    };
    respond(request, page, REVALIDATE)
}

fn respond(request: &HttpRequest, file: NamedFile, caching: &'static str) -> HttpResponse {
    let mut response = file.prefer_utf8(true).into_response(request);
    for (name, value) in [(CACHE_CONTROL, caching), (CONTENT_SECURITY_POLICY, POLICY)] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The file at a path below the folder: without hidden ones, and without links that lead out.
fn file_of(folder: &Path, path: &str) -> Option<NamedFile> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let mut below = PathBuf::new();
    for part in Path::new(decoded.trim_start_matches('/')).components() {
        match part {
            Component::Normal(name) if !name.to_str()?.starts_with('.') && !name.to_str()?.contains(['\\', ':', '\0']) => below.push(name),
            _ => return None,
        }
    }
    let found = folder.join(below).canonicalize().ok()?;
    // Before it is opened: opening a pipe waits for whoever writes to it.
    let is_ours = found.starts_with(folder) && found.is_file();
    is_ours.then(|| NamedFile::open(found).ok()).flatten()
}

fn has_extension(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_never_the_uis() {
        for ours in [
            "/api",
            "/API/agents",
            "/media/uploads",
            "/socket.io",
            "/metrics",
            "/health",
            "/Healthz/",
            "//api/agents",
            "///API",
            "/api%2fagents",
            "/%61pi/agents",
            "/%2Fapi%2Fagents",
            "/socket%2eio/",
        ] {
            assert!(!may_have(ours), "{ours}");
        }
        for theirs in ["/", "//", "", "/apis", "/chat/api", "/chat%2fapi", "/assets/Main-aB.js", "/mediateque", "/healthy", "/%ff"] {
            assert!(may_have(theirs), "{theirs}");
        }
    }

    #[test]
    fn no_path_leaves_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.txt"), "s").unwrap();
        let inside = tempfile::tempdir().unwrap();
        let folder = inside.path().canonicalize().unwrap();
        std::fs::create_dir(folder.join("assets")).unwrap();
        for name in ["index.html", "assets/A-b.js", ".env", "a b.txt"] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.join("link.txt")).unwrap();
        let relative = format!("/../{}/secret.txt", outside.path().file_name().unwrap().to_str().unwrap());
        let hidden =
            ["/.env", "/%2eenv", "/link.txt", "/../etc/passwd", "/%2e%2e/etc/passwd", "/..%2fetc%2fpasswd", "/assets", "/", "//", "/%00"];
        for path in hidden.into_iter().chain([relative.as_str(), outside.path().to_str().unwrap()]) {
            assert!(file_of(&folder, path).is_none(), "{path}");
        }
        for path in ["/index.html", "/assets/A-b.js", "/assets/%41-b.js", "/a%20b.txt", "//index.html"] {
            assert!(file_of(&folder, path).is_some(), "{path}");
        }
    }
}
