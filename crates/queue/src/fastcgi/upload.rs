//! What PHP has to know of a request's content beforehand, and what a person has to know of PHP.

use flow::Body;

use crate::stream::Ticket;
use crate::variables::value;

/// PHP reads as much content as CONTENT_LENGTH says. The variable, where only the edge knows.
pub(super) fn length_unsaid(ticket: &Ticket) -> String {
    match ticket.body.size() {
        Some(size) if size > 0 && value(&ticket.variables, LENGTH).is_none() => {
            format!("CONTENT_LENGTH\0{size}\0")
        }
        _ => String::new(),
    }
}

/// PHP drops a file of a form that is larger than `upload_max_filesize` without a word: many an
/// application then says nothing that helps. (A form that is too large as a whole it tells itself.)
pub(super) fn warn_if_too_large(ticket: &Ticket, upload_bytes_max: u64) {
    if matches!(ticket.body, Body::Empty) {
        return;
    }
    if let Some(size) = form_bytes(&ticket.variables)
        && size > upload_bytes_max
    {
        let (request, most) = (ticket.trace.id, upload_bytes_max.div_ceil(1 << 20));
        tracing::warn!(
            %request,
            "a form of {} MB: PHP takes no file over {most} MB. To let it, write into .user.ini in \
             the site's root: upload_max_filesize = 64M, and on a line of its own \
             post_max_size = 72M",
            size.div_ceil(1 << 20),
        );
    }
}

/// The length of a form that may hold files.
fn form_bytes(variables: &[u8]) -> Option<u64> {
    let kind = value(variables, "CONTENT_TYPE")?;
    let is_form = kind.get(..FORM.len())?.eq_ignore_ascii_case(FORM);
    value(variables, LENGTH).filter(|_| is_form)?.parse().ok()
}

const LENGTH: &str = "CONTENT_LENGTH";
const FORM: &str = "multipart/form-data";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_with_files_are_measured() {
        let form = b"A\0b\0CONTENT_TYPE\0Multipart/form-data; boundary=x\0CONTENT_LENGTH\x00123\0";
        assert_eq!(form_bytes(form), Some(123));
        assert_eq!(form_bytes(b"CONTENT_TYPE\0text/plain\0CONTENT_LENGTH\x00123\0"), None);
        assert_eq!(form_bytes(b"X_CONTENT_TYPE\0multipart/form-data\0CONTENT_LENGTH\x001\0"), None);
        assert_eq!(form_bytes(b""), None);
        let posing = b"HTTP_X\0CONTENT_LENGTH\0CONTENT_TYPE\0multipart/form-data\0";
        assert_eq!(form_bytes(posing), None);
    }
}
