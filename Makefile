# `make help` lists the targets. `make demo` and `make test` install the Debian packages they need.

PREFIX ?= /usr/local
DESTDIR ?=

bindir := $(DESTDIR)$(PREFIX)/bin
plugindir := $(DESTDIR)$(PREFIX)/lib/snapmgr
mandir := $(DESTDIR)$(PREFIX)/share/man
docdir := $(DESTDIR)$(PREFIX)/share/doc/snapmgr
bashdir := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
unitdir := $(DESTDIR)$(PREFIX)/lib/systemd/system
ruledir := $(DESTDIR)$(PREFIX)/lib/udev/rules.d
busdir := $(DESTDIR)$(PREFIX)/share/dbus-1
polkitdir := $(DESTDIR)$(PREFIX)/share/polkit-1/actions

# The same flags wherever the release is built (and in Scripts/test.sh), so that nothing is compiled
# twice.
# Without debug information: it takes a tenth of the build's time, and half of its space.
build_flags := -c release -debug-info-format none -Xswiftc -enable-testing \
	--explicit-target-dependency-import-check error

# What is installed carries the Swift library within itself and needs no toolchain where it runs.
# Its objects differ from those of `make build`, so they have a folder of their own.
static_path := .build-static
# SwiftPM links a library's Swift runtime dynamically whatever it is told; the compiler's own flag
# reaches its link, too.
static_flags := -c release --static-swift-stdlib -Xswiftc -static-stdlib \
    --scratch-path $(static_path)
static_binaries := $(static_path)/release

swift_sources := Sources Tests Benchmarks Fuzz Package.swift
plugin := libsnapmgr-nbdkit.so
manuals := $(wildcard man/*.[1-8])
units := $(wildcard Config/systemd/*.service Config/systemd/*.timer)
rules := $(wildcard Config/udev/*.rules)
bus := Config/dbus/org.snapmgr1
bus_files := $(bus).service $(bus).conf $(bus).policy
examples := $(filter-out $(units) $(rules) $(bus_files),$(sort $(shell find Config -type f)))

# What is installed names the paths that it has there.
relocated := sed 's:/usr/local/\(bin/snapmgr\|share/doc/snapmgr\):$(PREFIX)/\1:g'

.PHONY: help build static demo demo-ceph demo-mirror demo-vm test test-repeat test-host soak mutants bench bench-scale install install-built \
    install-data deb test-package uninstall format \
    lint clean

help:
	@echo 'make build      the release build: .build/release/snapmgr and its nbdkit plugin'
	@echo 'make demo       a tour in the terminal on a real filesystem, after the build'
	@echo 'make demo-ceph  a Ceph cluster of one node: schedule, set, revert and undo of its images (two minutes)'
	@echo 'make demo-mirror  two sites and a mirror, a cut link, a site that is lost (a minute, an sshd on loopback)'
	@echo 'make demo-vm    a VM in QEMU that goes back in time, with its memory, and a copy of it (a minute)'
	@echo 'make test       every suite; what continuous integration runs'
	@echo 'make test-repeat  unit and end-to-end tests N=20 times, two at a time, after killed ones'
	@echo 'make test-host  the suites on real block devices, with this kernel (root); else in a guest'
	@echo 'make soak       the randomized suites, much longer (SNAPMGR_SOAK, default 10 times)'
	@echo 'make mutants    whether tests notice when a mend is taken out (hours)'
	@echo 'make bench      the measurements of docs/benchmarks.md'
	@echo 'make bench-scale  what a year of snapshots costs (an hour)'
	@echo 'make install    into PREFIX ($(PREFIX)), below DESTDIR if set'
	@echo 'make deb        the Debian package, in .build/packages'
	@echo 'make test-package  installs, upgrades and purges it in a Debian of its own (root)'
	@echo 'make uninstall  removes what install put there'
	@echo 'make format     formats the sources in place'
	@echo 'make lint       checks their format'
	@echo 'make clean      removes everything that was built'

build:
	@Scripts/setup.sh build
	swift build $(build_flags)

demo:
	@Scripts/setup.sh demo
	swift build $(build_flags)
	@Scripts/demo.sh

demo-ceph:
	@Scripts/setup.sh demo-ceph
	swift build $(build_flags)
	@Scripts/demo-ceph.sh

demo-mirror:
	@Scripts/setup.sh demo-mirror
	swift build $(build_flags)
	@Scripts/demo-mirror.sh

demo-vm:
	@Scripts/setup.sh demo-vm
	swift build $(build_flags)
	@Scripts/demo-vm.sh

test:
	@Scripts/setup.sh test
	@Scripts/test.sh

# Hours.
N ?= 20
test-repeat:
	@Scripts/setup.sh test
	@Scripts/test.sh build
	@Scripts/repeat.sh --beside --killed $(N)

test-host:
	@Scripts/test-host.sh --check
	@Scripts/setup.sh demo
	swift build $(build_flags)
	@Scripts/test-host.sh

soak:
	@Scripts/setup.sh test
	@Scripts/setup.sh package
	swift build $(build_flags)
	@Scripts/soak.sh

mutants:
	@Scripts/setup.sh test
	@Scripts/mutants.sh

bench:
	@Scripts/setup.sh bench
	swift build $(build_flags)
	.build/release/snapmgr-bench
	Benchmarks/guest.sh

# A year of snapshots every 15 minutes, made for real: half an hour.
bench-scale:
	@Scripts/setup.sh bench
	swift build $(build_flags)
	SNAPMGR_BENCH_SNAPSHOTS=35040 .build/release/snapmgr-bench scale

static:
	@Scripts/setup.sh build
	swift build $(static_flags) --product snapmgr
	swift build $(static_flags) --product snapmgr-nbdkit

install: static install-built

# What is built, from the folder $(static_binaries).
strip := -s
install-built: install-data
	install -d '$(bindir)' '$(plugindir)' '$(bashdir)' '$(zshdir)' '$(fishdir)'
	install $(strip) -m 755 $(static_binaries)/snapmgr '$(bindir)/snapmgr'
	install $(strip) -m 755 $(static_binaries)/$(plugin) '$(plugindir)/$(plugin)'
	$(static_binaries)/snapmgr completion bash >'$(bashdir)/snapmgr'
	$(static_binaries)/snapmgr completion zsh >'$(zshdir)/_snapmgr'
	$(static_binaries)/snapmgr completion fish >'$(fishdir)/snapmgr.fish'

# What needs no build. Nothing goes to /etc, which is the administrator's.
install-data:
	@set -e; put() { \
	    install -d "$${2%/*}"; \
	    if [ -x "$$1" ]; then mode=755; else mode=644; fi; \
	    $(relocated) "$$1" | install -m "$$mode" /dev/stdin "$$2"; \
	}; \
	for unit in $(units); do put "$$unit" "$(unitdir)/$${unit##*/}"; done; \
	for file in $(rules); do put "$$file" "$(ruledir)/$${file##*/}"; done; \
	put "$(bus).service" "$(busdir)/system-services/org.snapmgr1.service"; \
	put "$(bus).conf" "$(busdir)/system.d/org.snapmgr1.conf"; \
	put "$(bus).policy" "$(polkitdir)/org.snapmgr1.policy"; \
	for page in $(manuals); do put "$$page" "$(mandir)/man$${page##*.}/$${page##*/}"; done; \
	for file in $(examples); do put "$$file" "$(docdir)/examples/$${file#Config/}"; done

# The Debian package, in .build/packages.
deb: static
	@Scripts/setup.sh package
	@Packaging/deb.sh $(static_binaries) .build/packages

# Installs, upgrades, removes and purges it in a Debian of its own (root): minutes.
test-package:
	@Scripts/setup.sh package
	swift build $(build_flags)
	@Scripts/test.sh package

uninstall:
	rm -f '$(bindir)/snapmgr' '$(plugindir)/$(plugin)'
	rm -f '$(bashdir)/snapmgr' '$(zshdir)/_snapmgr' '$(fishdir)/snapmgr.fish'
	rm -f $(patsubst Config/systemd/%,'$(unitdir)/%',$(units))
	rm -f $(patsubst Config/udev/%,'$(ruledir)/%',$(rules))
	rm -f '$(busdir)/system-services/org.snapmgr1.service' '$(busdir)/system.d/org.snapmgr1.conf' \
	    '$(polkitdir)/org.snapmgr1.policy'
	@for page in $(notdir $(manuals)); do \
	    rm -f "$(mandir)/man$${page##*.}/$$page"; \
	done
	rm -rf '$(docdir)/examples'
	@rmdir --ignore-fail-on-non-empty '$(plugindir)' '$(docdir)' 2>/dev/null || true

format:
	swift format --in-place --recursive --parallel $(swift_sources)

lint:
	swift format lint --strict --recursive --parallel $(swift_sources)
	shellcheck Config/hooks/* Packaging/*.sh Tests/Guest/*.sh Tests/QEMU/*.sh Tests/VirtualMachine/*.sh Tests/PostgreSQL/*.sh \
	    Tests/Page/*.sh Tests/Ceph/*.sh Scripts/test-host.sh Scripts/demo-vm.sh Scripts/demo-ceph.sh \
	    Scripts/lint-arithmetic.sh Scripts/lint-folders.sh Scripts/lint-drivers.sh Scripts/lint-once.sh \
	    Scripts/lint-paths.sh Scripts/lint-remedies.sh Scripts/lint-comments.sh Scripts/lint-walks.sh \
	    Scripts/lint-faults.sh Scripts/mutants.sh Scripts/mutant-sum.sh Scripts/repeat.sh
	Scripts/lint-arithmetic.sh
	Scripts/lint-folders.sh
	Scripts/lint-drivers.sh
	Scripts/lint-once.sh
	Scripts/lint-paths.sh
	Scripts/lint-remedies.sh
	Scripts/lint-comments.sh
	Scripts/lint-walks.sh
	Scripts/lint-faults.sh

clean:
	rm -rf .build .build-*
