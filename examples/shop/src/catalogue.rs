//! What the shop sells.

pub(crate) struct Product {
    id: &'static str,
    name: &'static str,
    cents: u32,
}

const PRODUCTS: [Product; 4] = [
    Product {
        id: "pillow",
        name: "Pillow, buckwheat",
        cents: 3_900,
    },
    Product {
        id: "blanket",
        name: "Blanket, wool",
        cents: 12_900,
    },
    Product {
        id: "lamp",
        name: "Night lamp",
        cents: 2_450,
    },
    Product {
        id: "earplugs",
        name: "Earplugs, 20 pairs",
        cents: 890,
    },
];

pub(crate) fn as_json() -> String {
    let one = |p: &Product| {
        format!(
            r#"{{"id":"{}","name":"{}","cents":{}}}"#,
            p.id, p.name, p.cents
        )
    };
    format!("[{}]\n", PRODUCTS.each_ref().map(one).join(","))
}

pub(crate) fn as_page(version: &str) -> String {
    let one = |p: &Product| {
        format!(
            "<li>{}: {}.{:02} EUR</li>",
            p.name,
            p.cents / 100,
            p.cents % 100
        )
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Shop</title>\
         <h1>Things for the night</h1><ul>{}</ul><p>release {version}</p></html>\n",
        PRODUCTS.each_ref().map(one).join("")
    )
}
