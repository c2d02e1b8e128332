//! Code that checks a signature, in the language of the session's choice: the very files of `docs/receivers`, which the
//! tests run.

/// A language.
pub struct Snippet {
    /// What the address says.
    pub key: &'static str,
    /// What people read.
    pub name: &'static str,
    pub code: &'static str,
}

/// Every language, the most asked-for first.
pub const SNIPPETS: [Snippet; 7] = [
    Snippet {
        key: "javascript",
        name: "JavaScript",
        code: include_str!("../../../../docs/receivers/javascript/verify-constant-time.js"),
    },
    Snippet {
        key: "python",
        name: "Python",
        code: include_str!("../../../../docs/receivers/python/verify.py"),
    },
    Snippet {
        key: "go",
        name: "Go",
        code: include_str!("../../../../docs/receivers/go/verify.go"),
    },
    Snippet {
        key: "ruby",
        name: "Ruby",
        code: include_str!("../../../../docs/receivers/ruby/verify.rb"),
    },
    Snippet {
        key: "php",
        name: "PHP",
        code: include_str!("../../../../docs/receivers/php/verify.php"),
    },
    Snippet {
        key: "java",
        name: "Java",
        code: include_str!("../../../../docs/receivers/java/Verify.java"),
    },
    Snippet {
        key: "rust",
        name: "Rust",
        code: include_str!("../../../../docs/receivers/rust/verify.rs"),
    },
];

/// The language that an address names; the first otherwise.
pub fn snippet(key: &str) -> &'static Snippet {
    SNIPPETS
        .iter()
        .find(|snippet| snippet.key == key)
        .unwrap_or(&SNIPPETS[0])
}
