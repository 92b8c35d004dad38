"""Files as other tools write them, line by line as they were published."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conceptx.comparison.imported import imported, read_labels
from conceptx.errors import InputError
from conceptx.expressions import to_manchester
from conceptx.ontology.hierarchy import Hierarchy

HIERARCHY = Hierarchy.from_edges(
    [("bed", "furniture"), ("lamp", "furniture"), ("furniture", "thing"), ("car", "thing"), ("pool table", "furniture")]
)
USED = ["bed", "lamp", "car", "furniture", "thing", "pool table"]
UNITS = {"fc": ["0", "1", "2", "3"]}

_CATEGORIES = ("color", "object")
_BRODEN = ",".join(f"{c}-{w}" for c in _CATEGORIES for w in ("label", "truth", "activation", "intersect", "iou"))

FILES = {
    "CLIP-Dissect": (
        "layer,unit,description,similarity\nfc,0,bed,0.1\nfc,2, a red car,0.2\n",
        {"0": "bed", "2": "a red car"},
    ),
    "clip": ("layer,unit,description\nfc,0,wildlife\nfc,3, label\n", {"0": "wildlife", "3": "label"}),
    "NetDissect": (
        f"unit,category,label,score,{_BRODEN}\n1,object,bed,0.2,blue-c,1,1,1,0.1,bed,1,1,1,0.2\n"
        "3,object,pool table,0.08,,0,0,0,0,pool table,1,1,1,0.08\n4,color,blue-c,0.05,blue-c,1,1,1,0.05,,0,0,0,0\n",
        {"0": "bed", "2": "pool table", "3": "blue-c"},
    ),
    "Compositional Explanations": (
        "unit,category,label,score,length,label_noncomp,score_noncomp\n"
        '0,"(object OR object)","(bed OR car)",0.2,2,bed,0.1\n3,object,lamp,0.1,1,lamp,0.1\n',
        {"0": "(bed OR car)", "3": "lamp"},
    ),
    "MILANNOTATIONS": (
        'layer,unit,summary\nfc,2,areas with patterns\nfc,2,"beds, lamps"\nfc,2,cars\nfc,0,a car\n',
        {"2": "beds, lamps", "0": "a car"},
    ),
    "Describe-and-Dissect": (
        "Neuron ID,Label 1,Label 2,Label 3\n1,radiac and stripes,wooden bed frames, \n3,cars,,\n",
        {"1": "wooden bed frames", "3": "cars"},
    ),
    "mine": ("layer\tunit\tannotation\nfc\t1\tlamps\n", {"1": "lamps"}),
}


@pytest.mark.parametrize("tool", FILES)
def test_files_of_other_tools_are_read(tool: str, tmp_path: Path) -> None:
    content, said = FILES[tool]
    path = tmp_path / f"{tool}.csv"
    path.write_text(content)
    found = imported(path, UNITS, HIERARCHY, USED)
    assert found.method == f"{tool} ({tool}.csv)"
    assert dict(found.texts) == {("fc", unit): text for unit, text in said.items()}


def test_what_the_texts_mean(tmp_path: Path) -> None:
    path = tmp_path / "tally.csv"
    path.write_text(FILES["NetDissect"][0])
    found = imported(path, UNITS, HIERARCHY, USED)
    assert {unit: to_manchester(e) for (_, unit), e in found.labels.items()} == {
        "0": "contains some bed",
        "2": "contains some 'pool table'",
    }
    assert found.note == "from tally.csv; 1 of 3 units have no text that means something in the hierarchy"


def test_rows_of_other_layers_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "descriptions.csv"
    path.write_text("layer,unit,description\nconv1,0,lamp\nfc,0,bed\nconv1,900,x\n")
    read = read_labels(path, UNITS)
    assert (read.texts, read.elsewhere) == ({("fc", "0"): ("bed",)}, 2)
    assert "2 rows are about layers" in imported(path, UNITS, HIERARCHY, USED).note
    path.write_text("layer,unit,description\nlayer4,0,bed\n")
    assert read_labels(path, {"layer4.1.conv2": ["0"]}).texts == {("layer4.1.conv2", "0"): ("bed",)}


@pytest.mark.parametrize(
    ("content", "units", "says"),
    [
        ("a,b\n1,2\n", UNITS, "bad.csv:1: there is no column for the unit"),
        ("unit,b\n1,2\n", UNITS, "bad.csv:1: there is no column for the label"),
        ("", UNITS, "bad.csv:1: there is no column for the unit"),
        ("unit,label\n0,bed\n9,bed\n", UNITS, "bad.csv:3: layer 'fc' has no unit '9'"),
        ("unit,category,label,score\n0,object,bed,1\n4,object,bed,1\n", UNITS, "bad.csv:3: layer 'fc' has no unit '4'"),
        ("unit,category,label,score\n5,object,bed,1\n", UNITS, "bad.csv:2: layer 'fc' has no unit '5'"),
        (f"unit,category,label,score\n{'9' * 5000},object,bed,1\n", UNITS, "bad.csv:2: layer 'fc' has no unit"),
        ("layer,unit,label\na,0,bed\nb,0,bed\n", UNITS, "its layers \\(a, b\\) are none of the run's; use fc"),
        ("unit,label\n0,bed\n", {"a": ["0"], "b": ["0"]}, "does not say which layer"),
        (f"unit,label\n0,{'x' * 200_000}\n", UNITS, "bad.csv:2: this is not a table"),
    ],
)
def test_bad_files_are_refused_in_a_sentence(content: str, units: dict, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=says):
        read_labels(path, units)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"\xff\xfe\x00unit")
    with pytest.raises(InputError, match="UTF-8"):
        read_labels(path, UNITS)
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "missing.csv", UNITS)


def test_describe_and_dissect_may_give_one_label(tmp_path: Path) -> None:
    path = tmp_path / "fc.csv"
    path.write_text("Neuron ID,label\n0,cars\n2,red lamps\n")
    assert read_labels(path, UNITS).texts == {("fc", "0"): ("cars",), ("fc", "2"): ("red lamps",)}
    assert read_labels(path, UNITS).tool == "Describe-and-Dissect"


def test_descendants_of_network_dissection_count_from_zero(tmp_path: Path) -> None:
    path = tmp_path / "tally.csv"
    path.write_text("unit,category,label,score\n0,object,bed,0.2\n3,object,zen_garden-s,0.1\n")
    assert read_labels(path, UNITS).texts == {("fc", "0"): ("bed",), ("fc", "3"): ("zen_garden-s",)}


@pytest.mark.parametrize(
    ("column", "text", "means"),
    [
        ("Label 1", "beds and cars", "contains some (bed or car)"),
        ("Label 1", "bed and car", "contains some (bed or car)"),
        ("description", "bed or car", "contains some (bed or car)"),
        ("description", "bed and not lamp", "contains some bed and not (contains some lamp)"),
        ("description", "contains some bed and contains some car", "contains some bed and contains some car"),
        ("description", "beds (or lamps)", "contains some (bed or lamp)"),
        ("description", "pool_table-s", "contains some 'pool table'"),
        ("expression", "bed and car", "contains some bed and contains some car"),
        ("formula", "bed or not car", "contains some bed or not (contains some car)"),
    ],
)
def test_captions_join_words_and_expressions_join_classes(column: str, text: str, means: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"unit,{column}\n0,{text}\n")
    found = imported(path, UNITS, HIERARCHY, USED)
    assert to_manchester(found.labels["fc", "0"]) == means


def test_a_text_may_have_lines(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('unit,label\n0,"a bed\nby a car"\n1,lamp\n')
    assert read_labels(path, UNITS).texts == {("fc", "0"): ("a bed\nby a car",), ("fc", "1"): ("lamp",)}


DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "comparison.md"


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    hierarchy = Hierarchy.from_edges([(c, "thing") for c in ("bed", "lamp", "sofa", "window")])
    table = DOCUMENTATION.read_text(encoding="utf-8").partition("## Files of other tools")[2].partition("\n## ")[0]
    examples = [line.strip("| ").replace("\\|", "¦").split(" | ") for line in table.splitlines() if " ⏎ " in line]
    assert len(examples) == 7
    for tool, example, _ in examples:
        header, row = (part.removesuffix(",…") for part in re.findall("`([^`]*)`", example))
        path = tmp_path / "labels.csv"
        path.write_text(f"{header}\n{row}\n".replace("¦", "|"), encoding="utf-8")
        found = imported(path, {"layer4": ["0"]}, hierarchy, hierarchy_names(hierarchy))
        assert set(found.labels) == {("layer4", "0")}, tool
        expected = {"MILAN": "labels", "INVERT, your own": "labels", "Network Dissection": "NetDissect"}.get(tool, tool)
        assert found.method == f"{expected} (labels.csv)"


def hierarchy_names(hierarchy: Hierarchy) -> list[str]:
    return [hierarchy.name(i) for i in range(len(hierarchy))]


@pytest.mark.parametrize("text", ["unit;label\n0;sofa, couch\n", "\ufeffUnit\tLabel\n0\tsofa, couch\n"])
def test_tables_as_spreadsheets_write_them(text: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    assert read_labels(path, UNITS).texts == {("fc", "0"): ("sofa, couch",)}


@pytest.mark.parametrize(
    ("unit", "mend"), [("0.0", "write it as the run does: 0"), ("unit_0", "name units as the run")]
)
def test_a_unit_written_another_way_is_recognised(unit: str, mend: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"unit,label\n{unit},bed\n")
    with pytest.raises(InputError, match=mend):
        read_labels(path, UNITS)
