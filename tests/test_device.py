import pytest
import torch

from hashlens.device import find_device
from hashlens.errors import DeviceError


def test_the_cpu_is_always_there():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device(torch.device("cpu")) == torch.device("cpu")


def test_an_unknown_device_is_refused():
    with pytest.raises(DeviceError, match="unknown device 'gpu': use cpu, cuda"):
        find_device("gpu")


@pytest.mark.skipif(torch.cuda.device_count() > 90, reason="needs a machine with fewer than 91 GPUs")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(DeviceError, match="device 'cuda:90' is not there: this machine has"):
        find_device("cuda:90")


@pytest.mark.parametrize("device", ["meta", "hpu"])
def test_a_device_that_holds_no_values_is_refused_in_one_line(device):
    with pytest.raises(DeviceError, match=f"device '{device}' cannot be used: .*; use cpu") as error:
        find_device(device)
    assert "\n" not in str(error.value)
