//! Architecture test: module rows, import cycles between files, purity, shape of a file.
//!
//! An import is a private `use`, or a path in code, in a macro's tokens or in an attribute. It leads
//! to the file that defines the item. A `pub use` of a descendant is a facade and no import. Methods
//! are not followed; test code is left out.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Modules of the crate, lowest row first: a module imports modules of lower rows only.
const ROWS: [&str; 11] = [
    "ids time limits",
    "wire relay crypto text net",
    "session peers delivery transfer",
    "chat script",
    "store",
    "app",
    "events config",
    "render",
    "ui replay",
    "cli",
    "main",
];
/// Modules that may import less than their row allows, and what that is.
const NARROWED: [(&str, &str); 2] = [("main", "cli"), ("net", "ids time limits")];
/// Lowest module that may import `net`.
const LOWEST_IMPORTER_OF_NET: &str = "app";

const PURE: &str = "chat script session peers delivery transfer wire relay crypto text ids time limits";
/// Foreign names that a pure module must not use, each as consecutive segments of a path.
const IMPURE: &str = "std::fs std::env std::process std::thread std::io std::os Instant SystemTime UNIX_EPOCH \
    TcpStream TcpListener UdpSocket ToSocketAddrs UnixStream SysRng OsRng ThreadRng SystemRandom rand::rng \
    rand::random aws_lc_rs::rand getrandom Timestamp::now Zoned::now TimeZone::system mio nix rustix \
    signal_hook socket2 tempfile rustyline rpassword indicatif clap print! println! eprint! eprintln! dbg!";
/// Files that may use an impure name all the same: `warm_up_rng` throws the bytes away.
const IMPURE_ALLOWED: [(&str, &str); 1] = [("crypto/private_key.rs", "aws_lc_rs::rand")];

const PRINTING: &str = "print! println! eprint! eprintln! dbg! std::io::stdout std::io::stderr";
const PRINTING_MODULES: &str = "cli ui app";
/// Folder of the line editor, the only one that names `rustyline`.
const LINE_EDITOR: &str = "ui/terminal/";

const PRODUCT_LINES_MAX: usize = 600;
const COMMENT_COLUMNS_MAX: usize = 100;
/// First words of a header that is no noun phrase: pronouns, question words, prepositions, verbs.
const NO_NOUN: &str = "What Who Whom Whose How Where Whether When Why Which It Its They This That These Those \
    There Here Everything Either From Once If Holds Keeps Reads Writes Makes Does Gives Takes Finds Asks Says \
    Tells Knows Wraps Runs Handles Performs Shows Parses Decides Turns Sends Gets";
/// Phrases of a header that say what the file is not about.
const NEGATIVE: [&str; 2] = ["knows no", "does not know"];

fn lists(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|entry| entry == word)
}

/// Module tree of a crate.
#[derive(Default)]
struct Crate {
    files: Vec<File>,
    /// `lib.rs` comes first; `main.rs` is a second root.
    modules: Vec<Module>,
    references: Vec<Reference>,
}

/// Source file that some `mod` declares; its path is relative to `src`.
struct File {
    path: String,
    lines: usize,
    test_lines: BTreeSet<usize>,
}

/// Module, inline or a file of its own: what it declares, and what its code names.
#[derive(Default)]
struct Module {
    file: usize,
    parent: Option<usize>,
    /// Folder for the files of child modules.
    folder: String,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    names: Vec<Name>,
}

/// Path as written; an empty first segment stands for a leading `::`, a final `!` for a macro.
struct Name {
    segments: Vec<String>,
    line: usize,
    /// Name that a `use` brings into scope, or `*`.
    alias: Option<String>,
    public: bool,
}

/// Meaning of a path.
enum Target {
    Module(usize),
    Item {
        module: usize,
        name: String,
    },
    /// Path into another crate, the prelude or a local scope.
    Foreign(Vec<String>),
    /// Path into this crate that leads nowhere, so a gap of this test.
    Unknown(Vec<String>),
}

/// Use of a path by a module.
struct Reference {
    from: usize,
    line: usize,
    target: Target,
    /// Modules in which the path was looked up, re-exports included.
    route: BTreeSet<usize>,
}

/// State of one resolution: imports followed so far, which ends a circle of `use`, and the route.
#[derive(Default)]
struct Walk {
    followed: BTreeSet<(usize, usize)>,
    route: BTreeSet<usize>,
}

impl Crate {
    fn parse(sources: &BTreeMap<String, String>) -> Self {
        let mut tree = Self::default();
        for root in ["lib.rs", "main.rs"].into_iter().filter(|root| sources.contains_key(*root)) {
            tree.add_file(sources, root, Module::default());
        }
        tree.references = (0..tree.modules.len()).flat_map(|module| tree.references_of(module)).collect();
        tree
    }

    fn add_file(&mut self, sources: &BTreeMap<String, String>, path: &str, module: Module) -> usize {
        let text = sources.get(path).unwrap_or_else(|| panic!("no file src/{path}"));
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}: {error}"));
        let module = self.add_module(Module { file: self.files.len(), ..module });
        let (path, lines) = (path.to_owned(), text.lines().count());
        self.files.push(File { path, lines, test_lines: BTreeSet::new() });
        Collector { tree: self, sources, module }.visit_file(&syntax);
        module
    }

    fn add_module(&mut self, module: Module) -> usize {
        self.modules.push(module);
        self.modules.len() - 1
    }

    fn path(&self, module: usize) -> &str {
        &self.files[self.modules[module].file].path
    }

    /// Top-level module that a module belongs to.
    fn top(&self, module: usize) -> &str {
        self.path(module).split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is_within(&self, module: usize, ancestor: usize) -> bool {
        let parent = self.modules[module].parent;
        module == ancestor || parent.is_some_and(|parent| self.is_within(parent, ancestor))
    }

    /// Meanings of a path: several where a module and a function share a name.
    fn resolve(&self, from: usize, segments: &[String], walk: &mut Walk) -> Vec<Target> {
        let mut rest = segments;
        let mut found = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            let module = match (first.as_str(), found.last()) {
                ("", None) => return vec![Target::Foreign(after.to_vec())],
                ("crate" | "rsachat", None) => 0,
                ("self", None) => from,
                ("super", None) => self.modules[from].parent.unwrap(),
                ("super", Some(Target::Module(module))) => self.modules[*module].parent.unwrap(),
                _ => break,
            };
            (found, rest) = (vec![Target::Module(module)], after);
        }
        if let (true, Some((first, after))) = (found.is_empty(), rest.split_first()) {
            (found, rest) = (self.look_up(from, first, walk), after);
            if found.is_empty() {
                return vec![Target::Foreign(segments.to_vec())];
            }
        }
        for segment in rest {
            if found.iter().any(|target| matches!(target, Target::Module(_))) {
                found.retain(|target| matches!(target, Target::Module(_)));
            }
            let step = |target| match target {
                Target::Module(module) => self.look_up(module, segment, walk),
                Target::Foreign(path) => vec![Target::Foreign([path, vec![segment.clone()]].concat())],
                // A variant or an associated item stands in the file of its type.
                target => vec![target],
            };
            found = found.into_iter().flat_map(step).collect();
        }
        if found.is_empty() { vec![Target::Unknown(segments.to_vec())] } else { found }
    }

    /// Meanings of a name in a module's scope: declared there, imported, or brought in by a glob.
    fn look_up(&self, module: usize, name: &str, walk: &mut Walk) -> Vec<Target> {
        let scope = &self.modules[module];
        let mut found = Vec::new();
        found.extend(scope.children.get(name).copied().map(Target::Module));
        if scope.items.contains(name) {
            found.push(Target::Item { module, name: name.to_owned() });
        }
        for wanted in [name, "*"] {
            if wanted == "*" && !found.is_empty() {
                break;
            }
            for (index, import) in scope.names.iter().enumerate() {
                if import.alias.as_deref() != Some(wanted) || !walk.followed.insert((module, index)) {
                    continue;
                }
                for target in self.resolve(module, &import.segments, walk) {
                    match target {
                        Target::Unknown(_) => {}
                        target if wanted == name => found.push(target),
                        Target::Module(inner) => found.extend(self.look_up(inner, name, walk)),
                        _ => {}
                    }
                }
            }
        }
        if !found.is_empty() {
            walk.route.insert(module);
        }
        found
    }

    /// Uses of paths by one module. A module that is named gives none, unless a `use` names it.
    fn references_of(&self, from: usize) -> Vec<Reference> {
        let mut references = Vec::new();
        for Name { segments, line, alias, public } in &self.modules[from].names {
            let mut walk = Walk::default();
            for mut target in self.resolve(from, segments, &mut walk) {
                if let (Some("*"), Target::Module(module)) = (alias.as_deref(), &target)
                    && !self.modules[*module].items.is_empty()
                {
                    target = Target::Item { module: *module, name: "*".to_owned() };
                }
                let counts = match &target {
                    Target::Module(_) if alias.is_none() => false,
                    Target::Module(to) | Target::Item { module: to, .. } => {
                        !public || !self.is_within(*to, from)
                    }
                    Target::Foreign(_) | Target::Unknown(_) => true,
                };
                if counts {
                    references.push(Reference { from, line: *line, target, route: walk.route.clone() });
                }
            }
        }
        references
    }
}

/// Reader of one module's syntax.
struct Collector<'a> {
    tree: &'a mut Crate,
    sources: &'a BTreeMap<String, String>,
    module: usize,
}

impl Collector<'_> {
    fn module(&mut self) -> &mut Module {
        &mut self.tree.modules[self.module]
    }

    fn add_name(&mut self, segments: Vec<String>, at: Span) {
        self.module().names.push(Name { segments, line: at.start().line, alias: None, public: false });
    }

    fn add_path(&mut self, path: &syn::Path, end: &str) {
        let root = path.leading_colon.as_ref().map(|_| String::new());
        let names = path.segments.iter().map(|segment| segment.ident.to_string());
        let mut segments: Vec<String> = root.into_iter().chain(names).collect();
        segments.last_mut().unwrap().push_str(end);
        self.add_name(segments, path.span());
    }

    fn add_child(&mut self, item: &syn::ItemMod) {
        let (name, parent) = (item.ident.to_string(), Some(self.module));
        let (folder, file) = (format!("{}{name}/", self.module().folder), self.module().file);
        let leaf = format!("{}.rs", folder.trim_end_matches('/'));
        let path = if self.sources.contains_key(&leaf) { leaf } else { format!("{folder}mod.rs") };
        let child = Module { file, parent, folder, ..Module::default() };
        let child = if let Some((_, items)) = &item.content {
            let module = self.tree.add_module(child);
            let mut inner = Collector { tree: self.tree, sources: self.sources, module };
            for item in items {
                inner.visit_item(item);
            }
            module
        } else {
            self.tree.add_file(self.sources, &path, child)
        };
        self.module().children.insert(name, child);
    }

    fn add_imports(&mut self, tree: &syn::UseTree, mut segments: Vec<String>, public: bool) {
        let line = tree.span().start().line;
        let alias = match tree {
            syn::UseTree::Path(path) => {
                segments.push(path.ident.to_string());
                return self.add_imports(&path.tree, segments, public);
            }
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_imports(tree, segments.clone(), public));
            }
            syn::UseTree::Glob(_) => "*".to_owned(),
            syn::UseTree::Name(name) if name.ident == "self" => segments.last().unwrap().clone(),
            syn::UseTree::Name(name) => {
                segments.push(name.ident.to_string());
                name.ident.to_string()
            }
            syn::UseTree::Rename(rename) => {
                segments.extend((rename.ident != "self").then(|| rename.ident.to_string()));
                rename.rename.to_string()
            }
        };
        self.module().names.push(Name { segments, line, alias: Some(alias), public });
    }

    /// Names in tokens: `a::b`, `a` or `a!`, but no field and no lifetime.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, sign: char| match trees.get(at) {
            Some(TokenTree::Punct(punct)) => punct.as_char() == sign,
            _ => false,
        };
        let mut at = 0;
        while let Some(tree) = trees.get(at) {
            let (before, earlier) = (at.wrapping_sub(1), at.wrapping_sub(2));
            at += 1;
            match tree {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut segments = vec![first.to_string()];
                    while let (true, Some(TokenTree::Ident(next))) =
                        (is(at, ':') && is(at + 1, ':'), trees.get(at + 2))
                    {
                        segments.push(next.to_string());
                        at += 3;
                    }
                    if is(at, '!') && matches!(trees.get(at + 1), Some(TokenTree::Group(_))) {
                        segments.last_mut().unwrap().push('!');
                    }
                    let field = is(before, '.') && !is(earlier, '.');
                    let continued = is(before, ':') && is(earlier, ':');
                    if !(field || continued || is(before, '\'')) {
                        self.add_name(segments, first.span());
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether code is for tests only; its lines are then no product lines.
    fn is_test(&mut self, attributes: &[syn::Attribute], code: Span) -> bool {
        let test = attributes.iter().any(|attribute| match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => {
                let condition = list.tokens.to_string();
                let words: Vec<&str> = condition.split(|c: char| !c.is_alphanumeric()).collect();
                words.contains(&"test") && !words.contains(&"not")
            }
            meta => meta.path().is_ident("test"),
        });
        if test {
            let file = self.module().file;
            self.tree.files[file].test_lines.extend(code.start().line..=code.end().line);
        }
        test
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (name, attributes) = match item {
            syn::Item::Const(item) => (Some(&item.ident), &item.attrs[..]),
            syn::Item::Enum(item) => (Some(&item.ident), &item.attrs[..]),
            syn::Item::Fn(item) => (Some(&item.sig.ident), &item.attrs[..]),
            syn::Item::Static(item) => (Some(&item.ident), &item.attrs[..]),
            syn::Item::Struct(item) => (Some(&item.ident), &item.attrs[..]),
            syn::Item::Trait(item) => (Some(&item.ident), &item.attrs[..]),
            syn::Item::Type(item) => (Some(&item.ident), &item.attrs[..]),
            syn::Item::Impl(syn::ItemImpl { attrs, .. })
            | syn::Item::Macro(syn::ItemMacro { attrs, .. })
            | syn::Item::Mod(syn::ItemMod { attrs, .. })
            | syn::Item::Use(syn::ItemUse { attrs, .. }) => (None, &attrs[..]),
            _ => (None, &[][..]),
        };
        if self.is_test(attributes, item.span()) {
            return;
        }
        self.module().items.extend(name.map(ToString::to_string));
        match item {
            syn::Item::Mod(item) => self.add_child(item),
            syn::Item::Use(item) => {
                let root = item.leading_colon.as_ref().map(|_| String::new());
                let public = !matches!(item.vis, syn::Visibility::Inherited);
                self.add_imports(&item.tree, root.into_iter().collect(), public);
            }
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        if !self.is_test(&method.attrs, method.span()) {
            visit::visit_impl_item_fn(self, method);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add_path(path, "");
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_path(&call.path, "!");
        self.add_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone());
        }
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}

type Violations = BTreeSet<String>;

/// What is wrong with the references of a tree, each behind the place of the reference.
fn wrong(tree: &Crate, what: impl Fn(&Reference) -> Vec<String>) -> Violations {
    let place = |by: &Reference| format!("src/{}:{}", tree.path(by.from), by.line);
    tree.references
        .iter()
        .flat_map(|by| what(by).into_iter().map(move |what| format!("{}: {what}", place(by))))
        .collect()
}

fn unknown_paths(tree: &Crate) -> Violations {
    wrong(tree, |by| match &by.target {
        Target::Unknown(path) => vec![path.join("::")],
        _ => vec![],
    })
}

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| lists(row, module))
}

fn may_import(from: &str, to: &str) -> bool {
    let narrowed = NARROWED.iter().find(|(importer, _)| *importer == from);
    from == to
        || row(to).is_some()
            && row(to) < row(from)
            && narrowed.is_none_or(|(_, allowed)| lists(allowed, to))
            && (to != "net" || row(from) >= row(LOWEST_IMPORTER_OF_NET))
}

fn row_violations(tree: &Crate) -> Violations {
    let tops = (0..tree.modules.len()).map(|module| tree.top(module)).filter(|top| *top != "lib");
    let mut found: Violations =
        tops.filter(|top| row(top).is_none()).map(|top| format!("{top} is in no row")).collect();
    found.extend(wrong(tree, |by| {
        let end = match &by.target {
            Target::Module(module) | Target::Item { module, .. } => Some(module),
            _ => None,
        };
        let (from, all) = (tree.top(by.from), by.route.iter().chain(end).filter(|to| **to != 0));
        let to = all.map(|to| tree.top(*to)).filter(|to| !may_import(from, to));
        to.map(|to| format!("{from} imports {to}")).collect()
    }));
    found
}

/// Imports between files: for each file those that it imports, with each item and its first line.
type Graph = BTreeMap<usize, BTreeMap<usize, BTreeMap<String, usize>>>;

fn file_graph(tree: &Crate) -> Graph {
    let mut graph = Graph::new();
    for Reference { from, line, target, .. } in &tree.references {
        if let Target::Item { module, name } = target {
            let (from, to) = (tree.modules[*from].file, tree.modules[*module].file);
            if from != to {
                let items = graph.entry(from).or_default().entry(to).or_default();
                items.entry(name.clone()).or_insert(*line);
            }
        }
    }
    graph
}

fn reachable(graph: &Graph, from: usize) -> BTreeSet<usize> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        next.extend(graph.get(&file).into_iter().flat_map(BTreeMap::keys).filter(|to| seen.insert(**to)));
    }
    seen
}

/// Strongly connected components of more than one file, each with the imports inside it.
fn cycles(tree: &Crate) -> Violations {
    let graph = file_graph(tree);
    let reach: Vec<BTreeSet<usize>> = (0..tree.files.len()).map(|file| reachable(&graph, file)).collect();
    let mut found = Violations::new();
    for (file, reached) in reach.iter().enumerate().filter(|(file, reached)| reached.contains(file)) {
        let members: Vec<usize> = reached.iter().copied().filter(|to| reach[*to].contains(&file)).collect();
        let mut text = vec![format!("cycle of {} files", members.len())];
        for from in &members {
            for (to, items) in graph[from].iter().filter(|(to, _)| members.contains(to)) {
                let (from, to) = (&tree.files[*from].path, &tree.files[*to].path);
                let items = items.iter().map(|(name, line)| format!(" {name} (line {line})"));
                text.push(format!("  src/{from} imports src/{to}:{}", items.collect::<Vec<_>>().join(",")));
            }
        }
        found.insert(text.join("\n"));
    }
    found
}

/// Uses of foreign names in the files that `forbids` selects by path and top-level module.
fn foreign_uses(tree: &Crate, names: &str, forbids: impl Fn(&str, &str, &str) -> bool) -> Violations {
    wrong(tree, |by| {
        let Target::Foreign(path) = &by.target else { return vec![] };
        let path = format!("::{}::", path.join("::"));
        let used = names.split_whitespace().filter(|name| path.contains(&format!("::{name}::")));
        used.filter(|name| forbids(tree.path(by.from), tree.top(by.from), name)).map(str::to_owned).collect()
    })
}

fn impurities(tree: &Crate) -> Violations {
    foreign_uses(tree, IMPURE, |file, top, name| lists(PURE, top) && !IMPURE_ALLOWED.contains(&(file, name)))
}

fn printing(tree: &Crate) -> Violations {
    foreign_uses(tree, PRINTING, |_, top, _| !lists(PRINTING_MODULES, top))
}

fn bad_header(path: &str, text: &str) -> Option<String> {
    let header: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let first = header.first().and_then(|line| line.strip_prefix(' ')).unwrap_or_default();
    let word = first.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let negative = NEGATIVE.iter().any(|phrase| header.join("").contains(phrase));
    (first.is_empty() || lists(NO_NOUN, word) || negative).then(|| format!("src/{path}:1: {first}"))
}

fn wide_comments(path: &str, text: &str) -> Violations {
    let comments = text.lines().zip(1..).filter(|(line, _)| line.trim_start().starts_with("//"));
    let widths = comments.map(|(line, number)| (line.chars().count(), number));
    let wide = widths.filter(|(columns, _)| *columns > COMMENT_COLUMNS_MAX);
    wide.map(|(columns, number)| format!("src/{path}:{number}: {columns} columns")).collect()
}

fn long_files(tree: &Crate) -> Violations {
    let lengths = tree.files.iter().map(|file| (&file.path, file.lines - file.test_lines.len()));
    let long = lengths.filter(|(_, lines)| *lines > PRODUCT_LINES_MAX);
    long.map(|(path, lines)| format!("src/{path}: {lines} product lines")).collect()
}

/// Files below `src`, by their path relative to it.
fn sources() -> BTreeMap<String, String> {
    let (root, mut sources) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), BTreeMap::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                sources.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

fn none(found: &Violations, advice: &str) {
    let list = found.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(found.is_empty(), "{advice}:\n{list}");
}

#[test]
fn modules_import_lower_rows_only() {
    let tree = Crate::parse(&sources());
    none(&row_violations(&tree), "move the item to a lower row, or place a new module in ROWS");
    none(&unknown_paths(&tree), "this test cannot follow these paths: teach it, or write them plainly");
}

#[test]
fn files_form_no_import_cycle() {
    let found = cycles(&Crate::parse(&sources()));
    none(&found, "move the items that close the cycle to a file below both sides");
}

#[test]
fn pure_modules_have_no_input_output_clock_or_randomness() {
    none(&impurities(&Crate::parse(&sources())), "take it as an argument, or hand out an effect");
}

#[test]
fn only_the_line_editor_names_rustyline_and_only_cli_ui_and_app_print() {
    let tree = Crate::parse(&sources());
    let line_editors = foreign_uses(&tree, "rustyline", |file, _, _| !file.starts_with(LINE_EDITOR));
    none(&line_editors, &format!("move the code to src/{LINE_EDITOR}"));
    none(&printing(&tree), "return the text, or call app::os");
}

#[test]
fn files_have_a_header_narrow_comments_and_one_subject() {
    let sources = sources();
    let headers = sources.iter().filter_map(|(path, text)| bad_header(path, text)).collect();
    none(&headers, "begin the file with `//! ` and a noun phrase that names its subject");
    let comments = sources.iter().flat_map(|(path, text)| wide_comments(path, text)).collect();
    none(&comments, &format!("wrap comments at {COMMENT_COLUMNS_MAX} columns"));
    let advice = format!("cut at a joint of the subject: at most {PRODUCT_LINES_MAX} lines without tests");
    none(&long_files(&Crate::parse(&sources)), &advice);
}

/// Tree of a small crate, each file by its path and text; `lib.rs` declares the folders' modules.
fn tree(files: &[(&str, &str)]) -> Crate {
    let mut sources: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let top = |(path, _): &(&str, &str)| format!("pub mod {};", path.split(['/', '.']).next().unwrap());
    let tops: BTreeSet<String> = files.iter().map(top).collect();
    sources.insert("lib.rs".to_owned(), tops.into_iter().collect());
    Crate::parse(&sources)
}

/// Cycles of a module `chat` with the children `io` and `state`.
fn chat_cycles(facade: &str, io: &str, state: &str) -> Violations {
    let facade = format!("mod io; mod state; {facade}");
    cycles(&tree(&[("chat/mod.rs", &facade), ("chat/io.rs", io), ("chat/state.rs", state)]))
}

#[test]
fn a_cycle_is_found_on_every_way_to_name_an_item() {
    let state = "use super::io::Input; pub struct Chat(Input); pub fn new() {}";
    for io in [
        "use super::state::Chat; pub struct Input(Chat);",
        "use crate::chat::{self, state::{new as make, Chat as Core}}; pub struct Input;",
        "use super::{state}; pub struct Input(state::Chat);",
        "use super::state::*; pub struct Input;",
        "pub struct Input; fn f() -> crate::chat::state::Chat { todo!() }",
        "pub struct Input; fn f() { println!(\"{}\", super::state::new()) }",
        "pub struct Input; fn f() { use super::super::chat::state; assert!(matches!(0, _ if g(state::new()))) }",
        "pub struct Input; #[arg(value_parser = super::state::new)] struct Args;",
        "pub struct Input; mod inner { fn f() { super::super::state::new() } }",
        "pub struct Input; impl super::state::Chat { fn f() {} }",
        "use super::Chat; pub struct Input(Chat);",
        "use crate::chat as core; pub struct Input(core::Chat);",
    ] {
        let found = chat_cycles("pub use state::Chat;", io, state);
        assert_eq!(found.len(), 1, "{io}");
        let text = found.first().unwrap();
        assert!(text.starts_with("cycle of 2 files"), "{io}: {text}");
        assert!(text.contains("src/chat/state.rs imports src/chat/io.rs: Input (line 1)"), "{io}: {text}");
    }
}

#[test]
fn a_cycle_through_the_file_of_the_parent_is_found() {
    let parent = "use io::Input; pub enum Role { A } struct S(Input);";
    let found = chat_cycles(parent, "pub struct Input(super::Role);", "");
    assert!(found.first().unwrap().contains("src/chat/io.rs imports src/chat/mod.rs: Role (line 1)"));
    let used = chat_cycles("pub use io::Input; pub struct S(Input);", "pub struct Input(super::S);", "");
    assert_eq!(used.len(), 1, "a re-exported item that its facade uses is imported by it");
}

#[test]
fn a_facade_a_method_and_a_test_make_no_cycle() {
    let facade = "pub use io::Input; pub(crate) use state::*;";
    let state = "pub struct Chat; impl Chat { pub fn new() {} }
        #[cfg(test)] fn f(input: super::Input) {}
        #[cfg(test)] mod tests { use super::super::Input; }
        #[cfg(all(test, unix))] mod tests_of_files;";
    let io = "use super::Chat; pub struct Input(Chat); pub(in crate::chat) fn io() { Chat::new() }";
    none(&chat_cycles(facade, io, state), "no cycle");
    let facade = "use io::io; pub use io::Input;";
    none(&chat_cycles(facade, io, state), "no cycle by a function named as its module");
}

#[test]
fn rows_hold_for_facades_and_plain_paths() {
    let found = |path: &str, text: &str| {
        let wire = [("wire.rs", "pub struct Frame;"), ("peers.rs", "pub use crate::wire::Frame;")];
        let others = [("net.rs", "pub struct Link;"), ("text.rs", ""), ("app.rs", "pub struct App;")];
        row_violations(&tree(&[&wire[..], &others, &[(path, text)]].concat())).len()
    };
    assert_eq!(found("chat.rs", "use crate::{peers::Frame, wire}; fn f(_: Frame, _: wire::Frame) {}"), 0);
    assert_eq!(found("session.rs", "use crate::peers::Frame;"), 1, "sibling, though only by its facade");
    assert_eq!(found("crypto.rs", "fn f(frame: super::wire::Frame) {}"), 1, "sibling");
    assert_eq!(found("store.rs", "fn f() { println!(\"{}\", crate::app::App) }"), 1, "higher row");
    assert_eq!(found("session.rs", "use crate::net::Link;"), 1, "`net` below `app`");
    assert_eq!(found("ui.rs", "use crate::net::Link;"), 0);
    assert_eq!(found("misc.rs", ""), 1, "no row");
}

#[test]
fn foreign_names_are_seen_through_imports_and_macros() {
    let found = |text: &str| {
        let tree = tree(&[("chat.rs", text)]);
        (impurities(&tree).len(), printing(&tree).len())
    };
    assert_eq!(found("use std::fs as disk;\n fn f() { disk::read(0) }"), (2, 0), "import and use");
    assert_eq!(found("use std::time::{Duration, Instant};"), (1, 0));
    assert_eq!(found("fn f() { g(format!(\"{}\", rand::rng())) }"), (1, 0));
    assert_eq!(found("fn f() { vec![std::println!(\"x\")] }"), (1, 1));
    let harmless = "// std::fs\nfn f() { \"println!\"; } mod io { pub fn stdout() {} } use io::stdout;";
    assert_eq!(found(harmless), (0, 0));
}
