"""Recorded values against plain hooks, names of layers, and a model that is left as it was found."""

from __future__ import annotations

import copy
import warnings
from contextlib import suppress

import pytest
import torch
from torch import Tensor, nn

from conceptx.activations.layers import capturing, expand_layers, list_functions, list_layers
from conceptx.activations.models import load_model
from conceptx.activations.sources.head import Head, HeadModel
from conceptx.errors import InputError
from tests.activations.networks import SIDE, Branching, Functional, Residual, Restless, residual, seeded, tokens


def _batch(n: int = 5) -> torch.Tensor:
    return torch.randn((n, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(3))


def _by_hand(model: Residual, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The forward pass of `Residual`, written without in-place operations."""
    with torch.inference_mode():
        conv1 = model.conv1(x)
        bn1 = model.bn1(conv1)
        relu1 = torch.relu(bn1)
        conv2 = model.conv2(relu1)
        relu2 = torch.relu(conv2 + relu1)
        fc = model.fc(relu2.mean((2, 3)))
        return {"conv1": conv1, "bn1": bn1, "relu@1": relu1, "conv2": conv2, "relu@2": relu2, "fc": fc}


def test_in_place_operations_and_reuse_do_not_change_what_was_recorded() -> None:
    model = residual().eval()
    want = _by_hand(model, _batch())
    with capturing(model, list(want)) as run:
        got = run(_batch())
    assert got.keys() == want.keys()
    assert all(torch.equal(got[name], want[name]) for name in want)


def test_several_passes_do_not_mix() -> None:
    model = residual()
    with capturing(model, ["relu@2"]) as run:
        first = run(_batch(4))["relu@2"]
        again = run(_batch(2))["relu@2"]
    assert (len(first), len(again)) == (4, 2)


def test_items_of_tuples_and_dictionaries() -> None:
    model = tokens().eval()
    with capturing(model, ["pair", "pair[0]", "pair[1]", "named[hidden]", "encoder"]) as run:
        got = run(_batch())
    assert torch.equal(got["pair"], got["encoder"])
    assert torch.equal(got["pair[0]"], got["encoder"])
    assert torch.equal(got["pair[1]"], got["encoder"] * 2)
    assert torch.equal(got["named[hidden]"], got["encoder"] * 2 + 1)


def test_the_model_is_left_as_it_was_found_also_after_an_exception() -> None:
    model = residual().train()
    model.bn1.eval()
    modes = [module.training for module in model.modules()]
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    with capturing(model, ["relu@1", "fc"]) as run:
        run(_batch())
        assert not any(module.training for module in model.modules())
    with pytest.raises(RuntimeError), capturing(model, ["fc"]) as run:
        run(torch.zeros(1, 5))
    with pytest.raises(KeyboardInterrupt), capturing(model, ["fc"]):
        raise KeyboardInterrupt
    with pytest.raises(InputError), capturing(model, ["fc", "nothing"]):
        pass
    list_layers(model, _batch())
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(buffers[name], value) for name, value in model.named_buffers())


def test_a_hook_of_the_user_stays() -> None:
    model, calls = residual(), []
    handle = model.fc.register_forward_hook(lambda *_: calls.append(1))
    with capturing(model, ["fc"]) as run:
        run(_batch())
    model.eval()(_batch())
    assert len(calls) == 2
    handle.remove()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("conv3", "layer 'conv3': the model has no module of this name; did you mean 'conv2', 'conv1'?"),
        ("", "layer '': the model has no module of this name; choose a module, such as 'drop', 'skipped', 'fc', 'out'"),
        ("skipped", "layer 'skipped': the forward pass does not call this module"),
        ("skipped@1", "layer 'skipped@1': the forward pass does not call this module"),
        ("relu", "layer 'relu': one forward pass calls this module 2 times; say which call is meant: relu@1 to relu@2"),
        ("relu@3", "layer 'relu@3': one forward pass calls this module 2 times; choose a call from relu@1 to relu@2"),
        ("relu@0", "layer 'relu@0': the model has no module of this name; did you mean 'relu'"),
        ("fc[1]", "layer 'fc[1]': the output has no item '1'; choose one of its items (none, it is a Tensor)"),
    ],
)
def test_a_name_that_cannot_be_recorded_says_why(layer: str, message: str) -> None:
    with pytest.raises(InputError) as caught, capturing(residual(), [layer]) as run:
        run(_batch())
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("named[odd]", "the output has no item 'odd'; choose one of its items ('ids', 'hidden')"),
        ("named", "it puts out no floating-point tensor"),
    ],
)
def test_an_item_that_cannot_be_recorded_says_why(layer: str, message: str) -> None:
    with pytest.raises(InputError) as caught, capturing(tokens(), [layer]) as run:
        run(_batch())
    assert message in str(caught.value)


def test_the_list_of_layers_of_a_network_with_reuse() -> None:
    rows = [(i.name, i.type, i.shape, i.units, i.calls) for i in list_layers(residual(), _batch(1))]
    assert rows == [
        ("conv1", "Conv2d", (7, SIDE, SIDE), 7, 1),
        ("bn1", "BatchNorm2d", (7, SIDE, SIDE), 7, 1),
        ("relu@1", "ReLU", (7, SIDE, SIDE), 7, 2),
        ("conv2", "Conv2d", (7, SIDE, SIDE), 7, 1),
        ("relu@2", "ReLU", (7, SIDE, SIDE), 7, 2),
        ("drop", "Dropout", (7,), 7, 1),
        ("fc", "Linear", (5,), 5, 1),
        ("out", "ReLU", (5,), 5, 1),
    ]


def test_the_list_leaves_out_what_has_no_units_and_names_items() -> None:
    names = [info.name for info in list_layers(tokens(), _batch())]
    assert {"patches", "encoder", "pair[0]", "pair[1]", "named[hidden]"} <= set(names)
    assert not {"named[ids]", "time_first", "scalar"} & set(names)


@pytest.mark.parametrize("network", [residual, tokens])
def test_every_listed_layer_can_be_recorded(network) -> None:
    model = network().eval()
    listed = list_layers(model, _batch())
    with capturing(model, [info.name for info in listed]) as run:
        got = run(_batch())
    assert {name: tuple(value.shape[1:]) for name, value in got.items()} == {i.name: i.shape for i in listed}


def test_a_module_under_two_names_and_a_path_with_odd_characters() -> None:
    shared = nn.ReLU()
    model = nn.Sequential(nn.ModuleDict({"a@2": nn.Linear(4, 3)})["a@2"], shared, shared)
    model.add_module("odd[x]@2", nn.Linear(3, 2))
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    assert [info.name for info in list_layers(model, x)] == ["0", "1@1", "1@2", "odd[x]@2"]
    with capturing(model, ["2@2", "odd[x]@2"]) as run:
        got = run(x)
    assert torch.equal(got["2@2"], torch.relu(model[0](x)))
    assert torch.equal(got["odd[x]@2"], model(x))


def test_patterns_become_the_layers_that_they_fit() -> None:
    model = residual()
    assert expand_layers(model, ["conv?", "fc", "relu@*", "*"], _batch())[:5] == (
        "conv1",
        "conv2",
        "fc",
        "relu@1",
        "relu@2",
    )
    with pytest.raises(InputError) as caught:
        expand_layers(model, ["cnov*"], _batch())
    assert str(caught.value).startswith("layer 'cnov*': no layer fits this pattern; did you mean 'conv")
    odd = nn.Sequential(nn.Linear(4, 3))
    odd.add_module("a*b", nn.Linear(3, 2))
    assert expand_layers(odd, ["a*b", "missing"], torch.zeros(1, 4)) == ("a*b", "missing")


def test_a_layer_that_a_branch_skips() -> None:
    model = seeded(Branching)
    bright, dark = torch.ones(2, 3, SIDE, SIDE), -torch.ones(2, 3, SIDE, SIDE)
    with capturing(model, ["extra"]) as run:
        run(bright)
        with pytest.raises(InputError) as caught:
            run(dark)
    assert str(caught.value) == (
        "layer 'extra': the forward pass skips it on some images (a branch of the model depends on the image); "
        "choose a layer that every image reaches"
    )
    with (
        pytest.raises(InputError, match="the forward pass does not call this module"),
        capturing(model, ["gate"]) as run,
    ):
        run(bright)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_no_numbers(bad: float) -> None:
    model = residual()
    model.conv1.bias.data[0] = bad
    with pytest.raises(InputError) as caught, capturing(model, ["conv1", "fc"]) as run:
        run(_batch())
    assert str(caught.value) == (
        "layer 'conv1': the model puts out values that are no numbers (NaN or infinite); "
        "check the weights and the preprocessing"
    )


def test_the_side_of_the_nonlinearity_is_said() -> None:
    sides = {info.name: info.nonlinearity for info in list_layers(residual(), _batch())}
    assert sides == {
        "conv1": "",
        "bn1": "before relu",
        "relu@1": "after relu",
        "conv2": "",
        "relu@2": "after relu",
        "drop": "",
        "fc": "before relu",
        "out": "after relu",
    }
    functional = {info.name: info.nonlinearity for info in list_layers(seeded(Functional), _batch())}
    assert functional["part@1"] == "after relu" and functional["stem"] == ""
    inner = nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), nn.Linear(3, 2))
    assert [info.nonlinearity for info in list_layers(inner, torch.zeros(1, 4))] == [
        "before relu",
        "after relu",
        "after relu",
        "",
    ]


def test_operations_between_modules() -> None:
    model, x = seeded(Functional), _batch()
    names = {info.name: (info.type, info.shape, info.nonlinearity) for info in list_functions(model, x)}
    assert names["fx:part.add"] == ("add", (4, SIDE - 2, SIDE - 2), "")
    assert names["fx:part.relu"] == ("relu", (4, SIDE - 2, SIDE - 2), "after relu")
    assert "fx:flatten" in names and "fx:adaptive_avg_pool2d" in names and not any("conv" in name for name in names)
    layers = ["fx:part.add", "fx:part.add_1", "part@2", "fx:part.relu", "fx:flatten", "fc"]
    with capturing(model, layers) as run:
        got, again = run(x), run(x[:3])
    with torch.inference_mode():
        stem = model.stem(x)
        add = model.part.conv(stem) + stem
        first = torch.relu(add * 2)
        second_add = model.part.conv(first) + first
        second = torch.relu(second_add * 2)
        want = [add, second_add, second, first, second.mean((2, 3)), model(x)]
    assert list(got) == layers
    for name, value in zip(layers[:4], want[:4], strict=True):
        assert torch.equal(got[name], value), name
    assert torch.equal(got["fc"], want[5])
    torch.testing.assert_close(got["fx:flatten"], want[4])
    assert len(again["fx:flatten"]) == 3


def test_every_listed_operation_can_be_recorded_by_both_of_its_names() -> None:
    model, x = seeded(Functional), _batch()
    names = [info.name for info in list_functions(model, x)]
    with capturing(model, [*names, "fx:add", "fx:add_1"]) as run:
        got = run(x)
    assert torch.equal(got["fx:add_1"], got["fx:part.add_1"])
    assert expand_layers(model, ["fx:part.*"], x) == tuple(name for name in names if "part" in name)


@pytest.mark.parametrize(
    ("make", "layer", "message"),
    [
        (Functional, "fx:part.ad", "the forward pass has no operation of this name; did you mean 'part.add"),
        (Branching, "fx:gt", "the forward pass cannot be traced ("),
    ],
)
def test_operations_that_cannot_be_recorded(make: type[nn.Module], layer: str, message: str) -> None:
    with pytest.raises(InputError) as caught, capturing(seeded(make), [layer]) as run:
        run(_batch())
    assert message in str(caught.value)


def test_a_trace_that_is_not_the_model_is_refused() -> None:
    class Counting(nn.Module):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x.flatten(1) * self.calls

    with pytest.raises(InputError, match="gives other values than the model"), capturing(Counting(), ["fx:mul"]) as run:
        run(_batch())


def test_what_is_random_in_evaluation_mode_is_the_same_in_every_pass() -> None:
    x = _batch()
    state = torch.random.get_rng_state()
    with capturing(Restless(), ["fc"]) as run, capturing(Restless(), ["fc"]) as other:
        assert torch.equal(run(x)["fc"], run(x)["fc"])
        assert torch.equal(other(x)["fc"], run(x)["fc"])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_copy_of_the_model_is_not_heard() -> None:
    model = residual()
    with capturing(model, ["fc"]) as run:
        twin = copy.deepcopy(model)

        def hook(*_: object) -> None:
            twin(_batch(2))

        handle = model.conv1.register_forward_hook(hook)
        got = run(_batch())["fc"]
        handle.remove()
    with capturing(residual(), ["fc"]) as run:
        assert torch.equal(got, run(_batch())["fc"])


class _Counting(nn.Module):
    """Writes into its buffers in evaluation mode, in place and by a new tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Flatten()
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("last", torch.full((2,), torch.nan))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = x.flatten()[:2].clone()
        return self.fc(x)


@pytest.mark.parametrize("fails", [False, True])
def test_buffers_that_a_forward_pass_writes_are_restored(fails: bool) -> None:
    model = _Counting()
    before = dict(model.named_buffers())
    with suppress(ValueError), capturing(model, ["fc"]) as run:
        run(_batch())
        assert model.calls.item() == 1
        if fails:
            raise ValueError
    after = dict(model.named_buffers())
    assert all(after[name] is before[name] for name in before)
    assert after["calls"].item() == 0 and bool(after["last"].isnan().all())


def test_parts_that_no_hook_or_trace_can_reach() -> None:
    model = seeded(Functional)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.stem = torch.jit.script(model.stem)
    assert "part.conv@1" in {info.name for info in list_layers(model, _batch())}
    said = "layer 'stem': this module is TorchScript, which calls no hooks; save the whole model"
    with pytest.raises(InputError, match=said), capturing(model, ["stem"]):
        pass
    dotted = nn.Sequential()
    dotted._modules["a.b"] = nn.ReLU()
    assert [info.name for info in list_layers(dotted, _batch())] == ["a.b"]
    with pytest.raises(InputError, match="the forward pass cannot be traced"):
        list_functions(dotted, _batch())


def test_an_output_without_a_number_at_every_place_is_no_layer() -> None:
    class Sparse(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1).to_sparse()

    model = nn.Sequential(Sparse())
    assert list_layers(model, _batch()) == []
    with pytest.raises(InputError, match="it puts out no floating-point tensor"), capturing(model, ["0"]) as run:
        run(_batch())


def _squeezenet() -> nn.Module:
    return load_model("squeezenet1_1", "none").model


def _counted(model: nn.Module, path: str) -> list[int]:
    """Return a list that grows with every call of a module."""
    calls: list[int] = []
    model.get_submodule(path).register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_a_pass_ends_after_the_last_layer_where_the_code_is_known() -> None:
    model, x = _squeezenet(), torch.randn((3, 3, 48, 48), generator=torch.Generator().manual_seed(0))
    late = _counted(model, "features.10")
    layers = ["features.1", "features.4.squeeze_activation"]
    with capturing(model, layers) as run:
        first = run(x)
        assert len(late) == 1
        second, third = run(x), run(x[:1])
        assert len(late) == 1
    with torch.inference_mode():
        wanted = model.features[:2](x)
    assert torch.equal(first["features.1"], wanted) and torch.equal(second["features.1"], wanted)
    assert torch.equal(first[layers[1]], second[layers[1]]) and len(third[layers[1]]) == 1
    model(x)
    assert len(late) == 2, "the hooks are gone"


def test_a_pass_of_other_code_is_always_whole() -> None:
    class Own(nn.Sequential):
        pass

    patched = nn.Sequential(nn.Flatten(), nn.Identity())
    patched.forward = lambda x: patched[1](patched[0](x))
    for model in (Own(nn.Flatten(), nn.Identity()), patched):
        late = _counted(model, "1")
        with capturing(model, ["0"]) as run:
            run(_batch())
            run(_batch())
        assert len(late) == 2


def test_a_pass_inside_another_one_ends_the_right_one() -> None:
    backbone, x = _squeezenet(), torch.randn((2, 3, 48, 48), generator=torch.Generator().manual_seed(0))
    model = HeadModel(backbone, "features.6", "mean", Head(256, 4, 3))
    scored, late = _counted(model, "scores"), _counted(backbone, "features.10")
    with capturing(model, ["backbone.features.1"]) as run:
        values = [run(x)["backbone.features.1"] for _ in range(3)]
    assert (len(scored), len(late)) == (1, 1)
    assert torch.equal(values[0], values[1]) and torch.equal(values[0], values[2])
    with capturing(model, ["backbone.features.1", "hidden"]) as run:
        both = [run(x) for _ in range(2)]
    assert all(torch.equal(both[0][layer], both[1][layer]) for layer in both[0])
    assert torch.equal(both[1]["backbone.features.1"], values[0])
    assert len(scored) == 2, "the second pass ends with the hidden units"
