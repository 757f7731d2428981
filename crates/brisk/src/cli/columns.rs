//! Lists on the terminal: columns as wide as their cells.

pub fn print_columns(rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    for row in rows {
        let cells: Vec<String> = row.iter().enumerate().map(|(i, cell)| format!("{cell:<w$}", w = width(i))).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
