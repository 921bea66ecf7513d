//! How routes are written down: one line per path, with every method it has.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, ResponseError, Route};

use crate::errors::ApiError;
use crate::figures::OfPath;

/// The routes of a part of the application.
///
/// A path with parameters is matched by a regular expression, and one path after the other, which for the last of sixty costs
/// more than most handlers. So paths without parameters come first, and the others are kept apart by what is before their
/// first parameter.
#[derive(Default)]
pub(crate) struct Routes {
    /// What is before every path.
    root: &'static str,
    plain: Vec<Resource>,
    by_prefix: Vec<(&'static str, Vec<Resource>)>,
}

impl Routes {
    /// Routes below this path.
    pub(crate) fn below(root: &'static str) -> Self {
        Self { root, ..Self::default() }
    }

    /// Adds a path with its methods. Any other method is 404, as elizaOS answers it. The path is in lower case, without a
    /// slash at the end, and the first of its spellings (`paths.rs`).
    pub(crate) fn at(&mut self, path: &'static str, routes: impl IntoIterator<Item = Route>) {
        let figures = OfPath::new(format!("{}{path}", self.root));
        let resource = |path| {
            let resource = web::resource(path).app_data(figures).default_service(web::to(no_route));
            routes.into_iter().fold(resource, Resource::route)
        };
        let Some((prefix, _)) = path.split_once("/{") else {
            self.plain.push(resource(path));
            return;
        };
        let resource = resource(path.strip_prefix(prefix).unwrap_or(path));
        match self.by_prefix.iter_mut().find(|(known, _)| *known == prefix) {
            Some((_, resources)) => resources.push(resource),
            None => self.by_prefix.push((prefix, vec![resource])),
        }
    }

    /// Puts the routes into the application.
    pub(crate) fn mount(self, config: &mut ServiceConfig) {
        for resource in self.plain {
            config.service(resource);
        }
        for (prefix, resources) in self.by_prefix {
            config.service(resources.into_iter().fold(web::scope(prefix), actix_web::Scope::service));
        }
    }
}

/// The answer where no route matches.
pub(crate) async fn no_route() -> HttpResponse {
    ApiError::no_route().error_response()
}
