//! Names, digests, manifests: the vocabulary every other crate shares
