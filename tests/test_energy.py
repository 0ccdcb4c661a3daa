"""Energy from counters that wrap around, are forbidden or are not there."""

import ctypes
import os

import pytest

from spectralcal.machine.energy import EnergyMeter


def zone(folder, name, energy, limit=1_000_000):
    path = folder / name
    path.mkdir(parents=True)
    (path / "max_energy_range_uj").write_text(f"{limit}\n")
    (path / "energy_uj").write_text(f"{energy}\n")
    return path / "energy_uj"


def test_packages_add_up_and_their_parts_are_not_counted_twice(tmp_path):
    one, two = zone(tmp_path, "intel-rapl:0", 100_000), zone(tmp_path, "intel-rapl:1", 0)
    part = zone(tmp_path, "intel-rapl:0:0", 0)
    meter = EnergyMeter(powercap=tmp_path)
    one.write_text("400000")
    two.write_text("500000")
    part.write_text("999999")
    found = meter.read()
    assert found["cpu_joules"] == pytest.approx(0.8, abs=0.05)
    assert found["gpu_joules"] is None
    assert found["seconds"] >= 0


def test_a_counter_that_starts_again(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", 2_900_000, limit=3_000_000)
    meter = EnergyMeter(powercap=tmp_path)
    counter.write_text("1_900_000".replace("_", ""))
    assert meter.read()["cpu_joules"] == 2.0


def test_no_number_where_there_is_no_counter_or_no_right_to_read_it(tmp_path):
    assert EnergyMeter(powercap=tmp_path / "none").read() is None
    counter = zone(tmp_path, "intel-rapl:0", 5)
    counter.write_text("not for you")
    assert EnergyMeter(powercap=tmp_path).read() is None
    if os.geteuid():
        counter.chmod(0)
        assert EnergyMeter(powercap=tmp_path).read() is None


def test_a_gpu_is_read_through_its_driver(tmp_path, monkeypatch):
    class Driver:
        energy = 5_000

        def nvmlInit_v2(self):
            return 0

        def nvmlDeviceGetHandleByPciBusId_v2(self, bus, handle):
            return 0 if bus == b"00000000:17:00.0" else 2

        def nvmlDeviceGetTotalEnergyConsumption(self, handle, out):
            out._obj.value = self.energy
            return 0

    driver = Driver()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    meter = EnergyMeter("00000000:17:00.0", powercap=tmp_path)
    driver.energy += 12_500
    assert meter.read()["gpu_joules"] == 12.5
    assert EnergyMeter("00000000:99:00.0", powercap=tmp_path).read() is None
