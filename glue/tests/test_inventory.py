"""extract-inventory and transform-inventory: three files become one row per item and warehouse."""

import pytest
from lake import Lake, load_job

extract = load_job("extract-inventory")
transform = load_job("transform-inventory")

FILES = {
    "inventory": "item_id,warehouse_id,quantity_on_hand\ni1,w1,5\ni1,w2,\ni2,w9,7\n",
    "items": 'item_id,product_name,brand,category\ni1,"Boots, brown",Grip,Shoes\ni3,,,\n',
    "warehouses": "warehouse_id,warehouse_name,country\nw1,North,Sweden\nw2,South,\n",
}


def test_dimension_has_a_row_per_item_and_warehouse(lake: Lake) -> None:
    work = lake.uri("work")
    for _ in range(2):
        extract.run(lake.spark, deliver(lake, FILES), work + "extract/")
        transform.run(lake.spark, work + "extract/", work + "transform/")
    columns = ["item_id", "warehouse_id", "product_name", "category", "warehouse_name", "warehouse_country", "quantity_on_hand"]
    assert [tuple(row[column] for column in columns) for row in lake.rows(work + "transform/")] == [
        ("i1", "w1", "Boots, brown", "Shoes", "North", "Sweden", 5),
        ("i1", "w2", "Boots, brown", "Shoes", "South", None, None),
        ("i2", "w9", None, None, None, None, 7),
    ]
    assert lake.json(work + "extract/_counts.json") == {"inventory": 3, "items": 2, "warehouses": 2}
    assert lake.json(work + "transform/_counts.json") == {"rows": 3, "without_key": 0, "superseded": 0}


def test_rows_of_one_key_become_one_and_rows_without_key_none(lake: Lake) -> None:
    stock = "item_id,warehouse_id,quantity_on_hand\ni1,w1,5\ni1,w1,6\ni1,w1,\n,w1,4\ni1,,3\n"
    items = "item_id,product_name,brand,category\ni1,Boots,,Shoes\ni1,Boots,,\n,Ghost,,\n"
    work = lake.uri("work")
    extract.run(lake.spark, deliver(lake, FILES | {"inventory": stock, "items": items}), work + "extract/")
    transform.run(lake.spark, work + "extract/", work + "transform/")
    (row,) = lake.rows(work + "transform/")
    assert (row["quantity_on_hand"], row["category"]) == (6, "Shoes")
    assert lake.json(work + "transform/_counts.json") == {"rows": 1, "without_key": 2, "superseded": 2}


@pytest.mark.parametrize("name", FILES)
def test_snapshots_without_one_of_their_files_are_refused(lake: Lake, name: str) -> None:
    source = deliver(lake, {other: text for other, text in FILES.items() if other != name})
    with pytest.raises(extract.NoInventorySnapshot, match=f"^{source}{name}.csv does not exist$"):
        extract.run(lake.spark, source, lake.uri("work", "out/"))
    assert not lake.path(lake.uri("work", "out/")).exists()


def test_snapshots_without_rows_are_refused(lake: Lake) -> None:
    source = deliver(lake, FILES | {"items": "item_id,product_name,brand,category\n"})
    with pytest.raises(extract.NoInventorySnapshot, match=f"^{source}items.csv holds no row, only a header$"):
        extract.run(lake.spark, source, lake.uri("work", "out/"))


def test_malformed_rows_are_named_and_nothing_is_written(lake: Lake) -> None:
    source = deliver(lake, FILES | {"warehouses": "warehouse_id,warehouse_name,country\nw1,North,Sweden\nw2,South\n"})
    with pytest.raises(extract.MalformedRow, match=rf"^{source}warehouses\.csv:3: the line does not have 3 fields: «w2,South»$"):
        extract.run(lake.spark, source, lake.uri("work", "out/"))
    assert not lake.path(lake.uri("work", "out/")).exists()


def deliver(lake: Lake, files: dict[str, str]) -> str:
    source = lake.uri("raw", "inventory/")
    for name, text in files.items():
        lake.put(f"{source}{name}.csv", text)
    return source
