//! On which pages of a file what stands, as SQLite itself tells it.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use rusqlite::Connection;

/// Pages, counted from 0.
pub(super) type PageSet = HashSet<usize>;

/// The places of everything in a whole file.
pub(super) struct Places {
    /// Of each group, in order: the page of its row, and those that the row goes on in.
    pub(super) groups: Vec<PageSet>,
    tables: HashMap<String, PageSet>,
}

impl Places {
    pub(super) fn of(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        let mut places = Self {
            groups: Vec::new(),
            tables: HashMap::new(),
        };
        let mut statement = connection
            .prepare("SELECT name, path, pageno, pagetype, ncell FROM dbstat ORDER BY name, path")
            .unwrap();
        let rows = statement.query_map([], |row| {
            Ok(Page {
                table: row.get(0)?,
                path: row.get(1)?,
                page: row.get::<_, u32>(2)? as usize - 1,
                kind: row.get(3)?,
                cells: row.get::<_, u32>(4)? as usize,
            })
        });
        let pages: Vec<Page> = rows.unwrap().map(Result::unwrap).collect();
        for page in &pages {
            let table = places.tables.entry(page.table.clone()).or_default();
            table.insert(page.page);
            if page.table == "groups" && page.kind == "leaf" {
                places.groups.extend(page.rows(&pages));
            }
        }
        places
    }

    /// The pages of a table.
    pub(super) fn table(&self, name: &str) -> PageSet {
        self.tables.get(name).cloned().unwrap_or_default()
    }
}

struct Page {
    table: String,
    /// Its way from the root.
    path: String,
    page: usize,
    kind: String,
    cells: usize,
}

impl Page {
    /// The pages of each row of a leaf.
    fn rows<'a>(&'a self, pages: &'a [Page]) -> impl Iterator<Item = PageSet> + 'a {
        (0..self.cells).map(move |cell| {
            let overflow = format!("{}{cell:03x}+", self.path);
            let goes_on =
                |page: &&Page| page.table == self.table && page.path.starts_with(&overflow);
            let rest = pages.iter().filter(goes_on).map(|page| page.page);
            rest.chain([self.page]).collect()
        })
    }
}
