//! Tar archives (POSIX `ustar`, with GNU's form of sizes from 8 GiB on), as any `tar` reads them. They are read back strictly: each byte
//! that is not of a file must be the one that would be written, so that no byte can change unseen.

use std::io::{self, Read, Write};

/// Everything in an archive begins at a multiple of this.
const BLOCK: usize = 512;
/// The same in the type of sizes.
const BLOCK_BYTES: u64 = BLOCK as u64;
/// Sizes up to here are written in octal digits.
const OCTAL: u64 = 0o777_7777_7777;

/// The head of a file: its name, of at most 100 bytes, its size, and when it was made, in seconds since 1970.
pub fn head(name: &str, bytes: u64, at: u64) -> io::Result<[u8; BLOCK]> {
    let mut head = [0; BLOCK];
    let mut put = |from: usize, text: &[u8]| -> io::Result<()> {
        let place = head.get_mut(from..from + text.len()).ok_or_else(|| io::Error::other("a name is too long for an archive"))?;
        place.copy_from_slice(text);
        Ok(())
    };
    if name.len() > 100 {
        return Err(io::Error::other("a name is too long for an archive"));
    }
    put(0, name.as_bytes())?;
    put(100, b"0000600\x000000000\x000000000\0")?;
    if bytes <= OCTAL {
        put(124, format!("{bytes:011o}\0").as_bytes())?;
    } else {
        put(124, &[0x80, 0, 0, 0])?;
        put(128, &bytes.to_be_bytes())?;
    }
    put(136, format!("{:011o}\0", at.min(OCTAL)).as_bytes())?;
    put(148, b"        0")?;
    put(257, b"ustar\x0000")?;
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    let text = format!("{sum:06o}\0 ");
    if let Some(place) = head.get_mut(148..156) {
        place.copy_from_slice(text.as_bytes());
    }
    Ok(head)
}

/// The zeros after so many bytes of a file.
pub fn padding(bytes: u64) -> &'static [u8] {
    let left = usize::try_from((BLOCK_BYTES - bytes % BLOCK_BYTES) % BLOCK_BYTES).unwrap_or_default();
    ZEROS.get(..left).unwrap_or_default()
}

static ZEROS: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Writes the end of an archive.
pub fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&ZEROS)
}

/// What comes next in an archive.
#[derive(Debug, PartialEq, Eq)]
pub struct Next {
    /// The name of a file.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
}

/// Reads the head of the next file; `None` at the end, where nothing may follow.
pub fn next(from: &mut impl Read) -> io::Result<Option<Next>> {
    let mut head = [0; BLOCK];
    from.read_exact(&mut head).map_err(cut_off)?;
    if head == [0; BLOCK] {
        let mut rest = Vec::new();
        from.take(BLOCK_BYTES + 1).read_to_end(&mut rest)?;
        return if rest == [0; BLOCK] { Ok(None) } else { Err(io::Error::other("the archive does not end where it should")) };
    }
    let damaged = || io::Error::other("the head of a file in the archive is damaged");
    let field = |from: usize, to: usize| head.get(from..to).unwrap_or_default();
    let name = field(0, 100).split(|byte| *byte == 0).next().and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(damaged)?;
    let octal = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 8).ok());
    let bytes = match field(124, 128) {
        [0x80, 0, 0, 0] => field(128, 136).try_into().ok().map(u64::from_be_bytes),
        _ => octal(field(124, 135)),
    };
    let (bytes, at) = bytes.zip(octal(field(136, 147))).ok_or_else(damaged)?;
    let read = Next { name: name.to_owned(), bytes };
    // Its sum is over the time too, which says nothing else.
    if self::head(&read.name, bytes, at)? == head { Ok(Some(read)) } else { Err(damaged()) }
}

/// Reads the zeros after so many bytes of a file.
pub fn skip_padding(from: &mut impl Read, bytes: u64) -> io::Result<()> {
    let expected = padding(bytes);
    let mut read = vec![0; expected.len()];
    from.read_exact(&mut read).map_err(cut_off)?;
    if read == expected { Ok(()) } else { Err(io::Error::other("there is something between two files of the archive")) }
}

fn cut_off(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { io::Error::other("the archive is cut off") } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, content) in files {
            let bytes = content.len() as u64;
            out.extend_from_slice(&head(name, bytes, 1_700_000_000).unwrap());
            out.extend_from_slice(content);
            out.extend_from_slice(padding(bytes));
        }
        end(&mut out).unwrap();
        out
    }

    fn list(mut archive: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        while let Some(file) = next(&mut archive)? {
            let mut content = Vec::new();
            (&mut archive).take(file.bytes).read_to_end(&mut content)?;
            skip_padding(&mut archive, file.bytes)?;
            files.push((file.name, content));
        }
        Ok(files)
    }

    #[test]
    fn what_is_written_is_read_and_every_other_byte_is_refused() {
        let files: [(&str, &[u8]); 3] = [("a", b"one"), ("media/ab/x.png", &[7; BLOCK]), ("empty", b"")];
        let whole = archive(&files);
        let read = list(&whole).unwrap();
        assert_eq!(read.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>(), files);
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            // Either the archive is refused, or what is seen is another content.
            assert!(list(&flipped).map_or(true, |seen| seen != read), "byte {at}");
        }
        for length in 0..whole.len() {
            assert!(list(&whole[..length]).is_err(), "cut off after {length} bytes");
        }
        assert!(list(&[whole, vec![0; BLOCK]].concat()).is_err(), "something follows");
    }

    #[test]
    fn large_files_have_a_size_too() {
        let bytes = 9 * 1024 * 1024 * 1024 + 5;
        let head = head("doolittle.db", bytes, 5).unwrap();
        assert_eq!(next(&mut head.as_slice()).unwrap(), Some(Next { name: "doolittle.db".to_owned(), bytes }));
    }
}
