"""Users' tables: what is read, and the one sentence that each mistake gets."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.tables import alike, read_activations, read_hypotheses, read_labels, unknown_image


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_activations_are_units_by_images_in_every_format(tmp_path: Path) -> None:
    text = write(tmp_path / "a.csv", "image,u0,u1\na.jpg,1,0.5\nb.jpg,2,-3e-2\n")
    tabs = write(tmp_path / "a.tsv", "\ufeffimage\tu0\tu1\na.jpg\t1\t0.5\n\nb.jpg\t2\t-3e-2\n")
    pq.write_table(pa.table({"image": ["a.jpg", "b.jpg"], "u0": [1, 2], "u1": [0.5, -3e-2]}), tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", values=np.array([[1, 2], [0.5, -3e-2]]), images=["a.jpg", "b.jpg"], units=["u0", "u1"])
    expected = np.array([[1, 2], [0.5, -0.03]], dtype=np.float32)
    for path in (text, tabs, tmp_path / "a.parquet", tmp_path / "a.npz"):
        table = read_activations(path)
        assert table.images == ("a.jpg", "b.jpg")
        assert table.units == ("u0", "u1")
        np.testing.assert_array_equal(table.values, expected)
        assert table.values.dtype == np.float32
        assert not table.values.flags.writeable


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv:1: the first column is not 'image'"),
        ("name,u0\na,1\n", "a.csv:1: the first column is not 'image'"),
        ("image,u0\n", "there are no images"),
        ("image\na\n", "there is no unit column"),
        ("image,u0\na,1\na,2\n", "image 'a' appears twice"),
        ("image,u0,u0\na,1,2\n", "unit 'u0' appears twice"),
        ("image,u0\na,nan\n", "unit 'u0' has the value nan on image 'a' (1 such values in all)"),
        ("image,u0\na,inf\n", "unit 'u0' has the value inf on image 'a'"),
        ("image,u0\na,1\nb,x\n", "a.csv:3: 'x' in column 'u0' is not a number; write a number"),
        ("image,u0\na,1,2\n", "a.csv:2: the row has 3 cells, not 2"),
        ("image,u0\na,1e300\n", "a value is larger than a float32 can hold"),
        ('image,u0\n"a,1\n', "the row cannot be read"),
    ],
)
def test_activation_mistakes(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(InputError) as caught:
        read_activations(path)
    assert message in str(caught.value)


def test_labels_with_objects_and_splits(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", "label,image,split,object\nbed,a,induction,1\nlamp,b,verification,1\n")
    table = read_labels(path)
    assert table.images == ("a", "b")
    assert table.labels == ("bed", "lamp")
    assert table.objects == ("1", "1")
    assert table.splits == ("induction", "verification")
    assert table.lines == (2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,lable\na,b\n", "l.csv:1: the column 'label' is missing (did you mean 'lable'?)"),
        ("image,label\n", "there are no labels"),
        ("image,label\na,\n", "l.csv:2: the image or the label is empty"),
        ("image,label,split\na,b,train\n", "l.csv:2: 'train' is not a split; use one of induction, evaluation"),
        (
            "image,label,split\na,b,induction\na,c,evaluation\n",
            "l.csv:3: image 'a' is in evaluation here and in induction above",
        ),
    ],
)
def test_label_mistakes(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "l.csv", text)
    with pytest.raises(InputError) as caught:
        read_labels(path)
    assert message in str(caught.value)


def test_hypotheses(tmp_path: Path) -> None:
    path = write(tmp_path / "h.csv", 'unit,expression\n1,Bed\n10,"contains some (Bed, or)"\n')
    assert read_hypotheses(path).expressions == ("Bed", "contains some (Bed, or)")
    with pytest.raises(InputError, match="there are no hypotheses"):
        read_hypotheses(write(tmp_path / "e.csv", "unit,expression\n"))


def test_files_that_are_not_what_their_ending_says(tmp_path: Path) -> None:
    for name in ("x.parquet", "x.npz"):
        (tmp_path / name).write_bytes(b"not a table")
        with pytest.raises(InputError, match="this is not a"):
            read_activations(tmp_path / name)
    with pytest.raises(InputError, match="the text is not UTF-8"):
        (tmp_path / "x.csv").write_bytes(b"image,label\n\xff\xfe,b\n")
        read_labels(tmp_path / "x.csv")
    with pytest.raises(InputError, match=r"the ending '\.xlsx' is not one of a table"):
        read_labels(tmp_path / "x.xlsx")
    with pytest.raises(InputError, match="there is no such file"):
        read_labels(tmp_path / "absent.csv")


def test_a_pickled_array_is_refused_and_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "run",))  # type: ignore[return-value]

    np.savez(tmp_path / "x.npz", values=np.zeros((1, 1)), images=np.array([Evil()], dtype=object))
    with pytest.raises(InputError, match="not a plain NPZ file"):
        read_activations(tmp_path / "x.npz")
    assert not (tmp_path / "run").exists()


def test_a_cell_without_end_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", 'image,label\na,"' + "x" * 200_000)
    with pytest.raises(InputError, match=r"l\.csv:2: a cell has more than 131,072 characters; shorten it"):
        read_labels(path)


def test_an_array_is_never_larger_than_its_file(tmp_path: Path) -> None:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }".ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00v\x00" + head + bytes(80)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("values.npy", array)
        archive.writestr("../images.npy", array)
    with pytest.raises(InputError, match=r"values\.npy is not as large as its head says"):
        read_activations(tmp_path / "a.npz")


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("harm"),)


def test_objects_in_an_npz_are_never_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", values=np.array([Harm()], dtype=object), images=np.array(["a"]))
    with pytest.raises(InputError, match="it holds Python objects"):
        read_activations(tmp_path / "a.npz")
    assert not (tmp_path / "harm").exists()


def test_parquet_with_damaged_text_or_twice_a_name_is_refused(tmp_path: Path) -> None:
    damaged = pa.StringArray.from_buffers(1, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe"))
    tables = {"text": pa.table({"image": damaged, "label": ["bed"]}), "twice": pa.table([["a"], ["b"]], ["image"] * 2)}
    for name, table in tables.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
        with pytest.raises(InputError, match="this is not a Parquet table"):
            read_labels(tmp_path / f"{name}.parquet")


def test_whole_numbers_of_any_size_are_activations(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": ["a", "b"], "u": [1, 2**62 + 1]}), tmp_path / "a.parquet")
    assert read_activations(tmp_path / "a.parquet").values.tolist() == [[1.0, 2.0**62]]


def test_semicolons_decimal_commas_and_tabs_are_read_as_spreadsheets_write_them(tmp_path: Path) -> None:
    plain = read_activations(write(tmp_path / "a.csv", "image,u0,u1\na.jpg,1,0.5\nb.jpg,2,-3e-2\n"))
    for text in (
        "\ufeffimage;u0;u1\r\na.jpg;1;0,5\r\nb.jpg;2;-0,03\r\n",
        "image;u0;u1\na.jpg;1;0.5\nb.jpg;2;-3e-2\n",
        "image\tu0\tu1\na.jpg\t1\t0.5\nb.jpg\t2\t-3e-2\n",
    ):
        for ending in (".csv", ".txt"):
            found = read_activations(write(tmp_path / f"a{ending}", text))
            assert (found.images, found.units) == (plain.images, plain.units)
            np.testing.assert_array_equal(found.values, plain.values)
    labels = read_labels(write(tmp_path / "l.csv", "image;label\na.jpg;sofa, couch\n"))
    assert labels.labels == ("sofa, couch",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Image,u0\na,1\n", "a.csv:1: the first column is not 'image' but 'Image'; name it 'image'"),
        (",u0\n0,1\n", "a.csv:1: the first column is not 'image', it has no name; name it 'image', or leave it out"),
        (",image,u0\n0,a,1\n", "a.csv:1: the first column is not 'image'; put the column 'image' in front"),
        ("Image;u0\na;1\n", "a.csv:1: the first column is not 'image' but 'Image'"),
        ("image,u0,\na,1,\n", "a.csv:1: column 3 has no name"),
        ("image,u0\na,\n", "a.csv:2: the cell in column 'u0' is empty; write a number, or leave the image out"),
        ("image,u0\na,50%\n", "a.csv:2: '50%' in column 'u0' is not a number; write the number without %"),
        ('image,u0\na,"0,5"\n', "a.csv:2: '0,5' in column 'u0' is not a number; write decimals with a point"),
        ("image,u0\na,0,5\n", "a.csv:2: the row has 3 cells, not 2; write numbers with a point"),
        ("image;u0;u1\na;0,5;1\nb;1;0.5\n", "a.csv:3: numbers have a decimal comma in line 2 and a point in line 3"),
        ("image;u0\na;1.000,5\n", "a.csv:2: numbers have a decimal comma in line 2 and a point in line 2"),
        ("image,u0\n,1\n", "a.csv:2: the image is empty; write its name, or remove the row"),
        ("image,u0\na,1\n\nb,2\na,3\n", "a.csv:5: image 'a' appears twice, first in line 2"),
        ("image,u0\na,1\nb,nan\n", "a.csv:3: unit 'u0' has the value nan on image 'b'"),
    ],
)
def test_the_mistakes_of_spreadsheets(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_activations(write(tmp_path / "a.csv", text))
    assert message in str(caught.value)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match=r"a\.csv: this is a folder, not a table; give a file"):
        read_activations(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("a", ["a.jpg", "b.jpg"], "a.jpg"),
        ("images/A.JPG", ["a.jpg", "b.jpg"], "a.jpg"),
        ("C:\\images\\a.png", ["a", "b"], "a"),
        ("1", ["001.png", "002.png"], "001.png"),
        ("1.0", ["1", "10"], "1"),
        ("a", ["a.jpg", "a.png"], None),
        ("c", ["a.jpg", "b.jpg"], None),
        ("nan", ["NaN.png"], "NaN.png"),
    ],
)
def test_the_image_that_somebody_means(name: str, known: list[str], meant: str | None) -> None:
    assert alike(name, known) == meant
    says = str(unknown_image("l.csv:2", name, known))
    assert says.endswith("re-extract with this image" if meant is None else f"write it as there in all rows: {meant!r}")


def test_parquet_as_pandas_writes_it(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"image": ["a", "b", "c"], "u0": [1.0, 2.0, 3.0]})
    frame[frame.u0 > 1].to_parquet(tmp_path / "some.parquet")
    frame.set_index("image").to_parquet(tmp_path / "indexed.parquet")
    some, indexed = (read_activations(tmp_path / f"{name}.parquet") for name in ("some", "indexed"))
    assert (some.images, some.units) == (("b", "c"), ("u0",))
    assert (indexed.images, indexed.units) == (("a", "b", "c"), ("u0",))
    frame.rename(columns={"image": "file"}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="the first column is not 'image' but 'file'"):
        read_activations(tmp_path / "other.parquet")


_VALUES = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.lists(_VALUES, min_size=2, max_size=2), min_size=1, max_size=5),
    separator=st.sampled_from(",;\t"),
    comma=st.booleans(),
    mark=st.booleans(),
    ending=st.sampled_from([".csv", ".tsv", ".txt"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_the_way_a_table_is_written_changes_no_number(
    values: list[list[float]], separator: str, comma: bool, mark: bool, ending: str, line_end: str, tmp_path: Path
) -> None:
    texts = [[repr(value) for value in row] for row in values]
    if comma and separator == ";":
        texts = [[text.replace(".", ",") for text in row] for row in texts]
    lines = [["image", "u0", "u1"], *([f"i{i}", *row] for i, row in enumerate(texts))]
    text = "\ufeff" * mark + line_end.join(separator.join(line) for line in lines)
    (tmp_path / f"a{ending}").write_bytes(text.encode("utf-8"))
    found = read_activations(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(found.values, np.array(values, dtype=np.float32).T)
