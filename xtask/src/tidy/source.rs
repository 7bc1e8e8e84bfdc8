//! One Rust file, read for what the rules ask of it.

use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Outcome;

/// What the rules ask of a file. Lines count from 1.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// From the root of the tree.
    pub(super) path: String,
    pub(super) lines: usize,
    /// Of them, in modules that are only there for tests.
    pub(super) test_lines: usize,
    pub(super) functions: Vec<Function>,
    pub(super) names: Vec<Name>,
    pub(super) unsafe_lines: Vec<usize>,
    /// Where a lint is allowed or expected without saying why.
    pub(super) unreasoned: Vec<usize>,
}

/// A function's length, with its signature.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
    pub(super) is_test: bool,
}

/// A name that the file gives; names that a foreign trait asks for are not the file's.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Type,
    Function,
    Module,
}

impl Source {
    pub(super) fn parse(path: &str, text: &str) -> Outcome<Source> {
        let broken = |error: &dyn std::fmt::Display| format!("{path}: {error}");
        let tokens: TokenStream = text.parse().map_err(|error| broken(&error))?;
        let file: syn::File = syn::parse2(tokens.clone()).map_err(|error| broken(&error))?;
        let mut source = Source { path: path.to_owned(), lines: text.lines().count(), ..Source::default() };
        // Tokens, not syntax: code in a macro counts, and words in comments and strings do not.
        find_unsafe(tokens, &mut source.unsafe_lines);
        let mut reader = Reader { source, test_depth: 0 };
        reader.visit_file(&file);
        Ok(reader.source)
    }
}

fn find_unsafe(tokens: TokenStream, lines: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => find_unsafe(group.stream(), lines),
            TokenTree::Ident(word) if word == "unsafe" => lines.push(word.span().start().line),
            _ => {}
        }
    }
}

struct Reader {
    source: Source,
    test_depth: usize,
}

impl Reader {
    fn name(&mut self, kind: Kind, ident: &syn::Ident) {
        self.source.names.push(Name { kind, text: ident.to_string(), line: ident.span().start().line });
    }

    fn function(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature, body: &syn::Block) {
        let lines = signature.fn_token.span().start().line..body.span().end().line + 1;
        self.source.functions.push(Function {
            name: signature.ident.to_string(),
            line: lines.start,
            lines: lines.len(),
            is_test: self.test_depth > 0 || attributes.iter().any(is_test_attribute),
        });
    }
}

/// `#[test]`, `#[tokio::test]`, `#[wavetank::test(…)]`.
fn is_test_attribute(attribute: &syn::Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|segment| segment.ident == "test")
}

/// `#[cfg(test)]` and `#[cfg(all(test, …))]`.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else {
        return false;
    };
    let words: Vec<String> = list.tokens.to_string().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
    list.path.is_ident("cfg") && words.iter().any(|word| word == "test") && !words.iter().any(|word| word == "not")
}

fn lines_of(item: &syn::ItemMod) -> Range<usize> {
    item.span().start().line..item.span().end().line + 1
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let path = attribute.path();
        let text = match &attribute.meta {
            syn::Meta::List(list) => list.tokens.to_string(),
            _ => String::new(),
        };
        let lets_go = path.is_ident("allow")
            || path.is_ident("expect")
            || (path.is_ident("cfg_attr") && (text.contains("allow (") || text.contains("allow(")));
        if lets_go && !text.contains("reason =") {
            self.source.unreasoned.push(attribute.span().start().line);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.name(Kind::Module, &item.ident);
        let for_tests = item.attrs.iter().any(is_for_tests);
        if for_tests && self.test_depth == 0 {
            self.source.test_lines += lines_of(item).len();
        }
        self.test_depth += usize::from(for_tests);
        visit::visit_item_mod(self, item);
        self.test_depth -= usize::from(for_tests);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.name(Kind::Function, &item.sig.ident);
        self.function(&item.attrs, &item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        for member in &item.items {
            if let syn::ImplItem::Fn(method) = member {
                if item.trait_.is_none() {
                    self.name(Kind::Function, &method.sig.ident);
                }
                self.function(&method.attrs, &method.sig, &method.block);
            }
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.name(Kind::Function, &item.sig.ident);
        if let Some(body) = &item.default {
            self.function(&item.attrs, &item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.name(Kind::Type, &item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.name(Kind::Type, &item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.name(Kind::Type, &item.ident);
        visit::visit_item_union(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.name(Kind::Type, &item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.name(Kind::Type, &item.ident);
        visit::visit_item_type(self, item);
    }
}
