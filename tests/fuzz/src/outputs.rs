//! Contents of two outputs that are compared.

use minos_compare::{Kind, look};

use crate::parts::PAIR;

/// Two contents of one file: whatever they are, a difference is told in a line, and in the same way when
/// nothing is known of the name. Taken is what is of a format.
pub fn difference(bytes: &[u8]) -> bool {
    let Some([first, second]) =
        (PAIR.open)(bytes).and_then(|pair| <[Vec<u8>; 2]>::try_from(pair).ok())
    else {
        return false;
    };
    let found = look(b"file.pyc", &first, &second);
    assert!(first == second || !found.what.is_empty());
    let unnamed = look(b"file", &first, &second);
    assert!(found.kind == Kind::Python || found == unnamed);
    found.kind != Kind::Binary
}
