# Each target is a line or two; what they call can be called by hand.
VENV   := .venv
PYTHON := $(VENV)/bin/python
RUN    := $(VENV)/bin/snakemake --cores all
CORES  := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)

.PHONY: demo compiled test faults locale lint open open-report paper clean

demo: compiled  ## the phantom study: data to report, in minutes, nothing downloaded but packages
	$(RUN) --configfile config/demo.yaml
	@$(VENV)/bin/snakemake --quiet all --configfile config/demo.yaml --report results/demo/report.html
	@$(PYTHON) -m spectralcal where --config config/demo.yaml

# As many workers as cores, so one thread each: more would wait for each other's cores, and torch's burn them meanwhile.
test: compiled  ## unit, contract and workflow tests
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(PYTHON) -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

# Where Python keeps no compiled modules (PYTHONDONTWRITEBYTECODE), each of a study's hundred jobs compiles the package.
compiled: $(VENV)/.installed
	-@$(PYTHON) -m compileall -q src

faults: $(VENV)/.installed  ## every fault, for real, and their table: 20 minutes; as root with full disks and a SLURM cluster
	SPECTRALCAL_FAULTS=all $(PYTHON) -m pytest -rs -n $(CORES) --dist loadfile tests/faults tests/workflow/test_slurm.py

# ISO-8859-1 where localedef can make it, else ASCII without Python's own way out of it.
OTHER := results/.other_locale
locale: compiled  ## a small study, data to report, where the locale is not UTF-8
	@rm -rf $(OTHER) && mkdir -p $(OTHER)
	@localedef -i en_US -f ISO-8859-1 $(CURDIR)/$(OTHER)/en_US.ISO-8859-1 2>/dev/null || true
	@export PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C; \
	 if [ -d $(OTHER)/en_US.ISO-8859-1 ]; then export LOCPATH=$(CURDIR)/$(OTHER) LC_ALL=en_US.ISO-8859-1; fi; \
	 $(RUN) --quiet all --configfile tests/support/other_locale.yaml
	@$(PYTHON) -c 'import pathlib; f = list(pathlib.Path("$(OTHER)").rglob("table*.*")); assert len(f) > 6, f; [p.read_text(encoding="utf-8") for p in f if p.suffix != ".json"]'
	@rm -rf $(OTHER)

lint: $(VENV)/.installed  ## style of Python and Snakemake files, and generated files in sync
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check --preview --select PLW1514 .  # text is UTF-8 whatever the locale; preview changes other rules
	$(VENV)/bin/lint-imports --no-logo --no-cache
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/snakemake --configfile config/demo.yaml --lint
	$(PYTHON) -m spectralcal config schema | diff - workflow/schemas/config.schema.json

open: $(VENV)/.installed  ## the study on hippocampus and ACDC
	$(RUN) --configfile config/open.yaml

open-report: $(VENV)/.installed  ## every table, figure and verdict from the published results alone: no data, no GPU
	$(PYTHON) -m spectralcal report --config config/open.yaml
	$(PYTHON) -m spectralcal report --config config/explore.yaml
	$(PYTHON) -m spectralcal report --config config/overconfident.yaml

paper: $(VENV)/.installed  ## the paper's full study; its six data sets must be in place
	$(RUN)

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(PYTHON) || python3 -m venv $(VENV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed"; exit 1; }
	$(PYTHON) -m pip install --disable-pip-version-check --quiet --requirement requirements.lock
	$(PYTHON) -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	@touch $@

clean:  ## the demo's products, not the environment
	rm -rf results/demo figures/demo data/prepared/demo
