import pytest
import torch

from latentlab_helpers import devices


def test_the_device_can_be_overridden(monkeypatch):
    monkeypatch.setenv("LATENTLAB_DEVICE", "meta")
    assert devices.default_device() == torch.device("meta")
    for name in ("gpu", "cuda:77"):
        monkeypatch.setenv("LATENTLAB_DEVICE", name)
        with pytest.raises(ValueError, match="LATENTLAB_DEVICE is"):
            devices.default_device()
    monkeypatch.delenv("LATENTLAB_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.default_device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.default_device().type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.default_device().type == "cpu"
