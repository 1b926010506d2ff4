# SPDX-License-Identifier: GPL-2.0
#
# For people; what kbuild reads is in Kbuild. "make help" lists everything.

KDIR ?= /lib/modules/$(shell uname -r)/build
VM := selftests/vm
MODULE_DIR ?= updates
PREFIX ?= /usr/local

# Kbuild comes back to this folder with KERNELRELEASE set and reads Kbuild.
.PHONY: modules modules_install install uninstall clean help
.PHONY: tools tools-install tools-uninstall
.PHONY: demo check check-kcsan soak static mutants bench bench-host fetch

modules: headers
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

# What the headers are for, which is not always what runs. Debian's
# kernel.release has another version up to 6.1.
RELEASE = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
DEPMOD = depmod -b "$(or $(INSTALL_MOD_PATH),/)" "$(RELEASE)"

modules_install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=$(MODULE_DIR) modules_install

install: modules_install
	$(DEPMOD)

uninstall: headers
	rm -f "$(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)/$(MODULE_DIR)"/ksocket.ko*
	$(DEPMOD)

tools:
	$(MAKE) -C tools/ksocketctl

tools-install: tools
	install -D tools/ksocketctl/ksocketctl "$(DESTDIR)$(PREFIX)/sbin/ksocketctl"
	install -Dm 644 tools/ksocketctl/completion.bash \
		"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ksocketctl"
	install -Dm 644 Documentation/ksocketctl.8 "$(DESTDIR)$(PREFIX)/share/man/man8/ksocketctl.8"
	install -Dm 644 Documentation/ksocket.4 "$(DESTDIR)$(PREFIX)/share/man/man4/ksocket.4"

tools-uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/sbin/ksocketctl" \
		"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ksocketctl" \
		"$(DESTDIR)$(PREFIX)/share/man/man8/ksocketctl.8" \
		"$(DESTDIR)$(PREFIX)/share/man/man4/ksocket.4"

clean:
	@$(MAKE) -s -C tools/ksocketctl clean
	@if [ -e $(KDIR)/Makefile ]; then $(MAKE) -C $(KDIR) M=$(CURDIR) clean; \
	else find . -name .cache -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name compat-have.h \) -type f -exec rm -f {} +; fi

.PHONY: headers
headers:
	@if [ ! -e $(KDIR)/Makefile ]; then \
		echo "error: no kernel headers in $(KDIR): install linux-headers-$$(uname -r), or say KDIR=..." >&2; \
		exit 1; fi

demo:
	@$(VM)/demo.sh $(KERNEL)

check:
	@$(VM)/check.sh

check-kcsan:
	@$(VM)/kcsan.sh

soak:
	@$(VM)/soak.sh

static:
	@selftests/static/check.sh

mutants:
	@$(VM)/mutants.sh

bench:
	@KERNEL=$(KERNEL) selftests/bench/bench.sh

bench-host: modules
	@selftests/bench/host.sh

fetch:
	@$(VM)/deps.sh vm
	@$(VM)/fetch.sh $(or $(KERNELS),check) source

# Chosen on the command line, they reach the scripts as environment.
export KERNELS TESTS PARTS DATAPATHS JOBS CHECKS MUTANTS KSOCKET_CACHE BASELINE TRANSPORT

help:
	@echo 'Targets:'
	@echo '  modules          build ksocket.ko for the running kernel (the default)'
	@echo '  modules_install  copy it below /lib/modules'
	@echo '  install          modules_install and depmod, so that modprobe finds it'
	@echo '  uninstall        the reverse of install'
	@echo '  tools            build the command ksocketctl'
	@echo '  tools-install    install it with its manuals; tools-uninstall is the reverse'
	@echo '  clean            remove what was built'
	@echo '  demo             see it work in a throw-away VM'
	@echo '  check            all tests: selftests on five kernels and in short on a 32-bit and'
	@echo '                   a big-endian one, static checks, controls'
	@echo '  check-kcsan      the selftests on a kernel that looks for data races'
	@echo '  soak             the selftests in their long forms'
	@echo '  static           the static checks alone'
	@echo '  mutants          planted faults that the tests have to notice'
	@echo '  bench            instructions for an answer, ours and others'"'"
	@echo '  bench-host       timings on this machine, as root: loads ksocket here'
	@echo '  fetch            only fetch what check needs'
	@echo '  help             this text'
	@echo 'Variables:'
	@echo '  KDIR=DIR         kernel headers to build against ($(KDIR))'
	@echo '  W=1, C=2         more compiler warnings; sparse (as in the kernel)'
	@echo '  INSTALL_MOD_PATH=DIR  root to install below (as in the kernel)'
	@echo '  MODULE_DIR=DIR   where below /lib/modules/VERSION to install ($(MODULE_DIR))'
	@echo '  PREFIX=DIR       where to install the tools ($(PREFIX)); DESTDIR as usual'
	@echo '  KERNEL=NAME      kernel of demo and bench (6.1)'
	@echo '  TRANSPORT=NAME   of bench: udp (the default) or tcp'
	@echo '  BASELINE=FILE    of bench: an earlier bench.json to compare with'
	@echo '  KERNELS="..."    of check, soak, static, mutants: 5.10 6.1 6.12 7.2 debug'
	@echo '                   6.1:i386 6.1:s390x; of soak also 6.1:arm64 6.1:armhf'
	@echo '                   6.1:ppc64el 6.1:rt'
	@echo '  TESTS="..."      of check and soak: names of test programs, such as echo'
	@echo '  DATAPATHS="..."  of check and soak: copy zerocopy softirq'
	@echo '  PARTS="..."      of check: static tests negative mutants bench'
	@echo '  JOBS=N           of check: guests at a time'
	@echo '  CHECKS="..."     of static; MUTANTS="..." of mutants: names of some'
	@echo '  KSOCKET_CACHE=D  where kernels and images are kept (.cache)'
