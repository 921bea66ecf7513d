//! Work that a caller may stop waiting for, but that must not be left half done.

use core_types::{ServiceError, ServiceResult};

/// Does the work in a task of its own: a caller that leaves between a commit and its announcement must not leave the
/// readers of a channel without it.
pub(crate) async fn whole<T, F>(work: F) -> ServiceResult<T>
where
    T: Send + 'static,
    F: Future<Output = ServiceResult<T>> + Send + 'static,
{
    tokio::spawn(work).await.unwrap_or_else(|failed| Err(ServiceError::Internal(Box::new(failed))))
}
