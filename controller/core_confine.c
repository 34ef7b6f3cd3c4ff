/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/core_confine.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"

/*
 * A list of what is refused, not of what may be done: the core reads and writes files, and its
 * libraries call what they like. What is listed is what would let one who took the core over
 * reach out of it. Sockets of the unix family are left, for the journal.
 */
static const int refused[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kexec_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(bpf),
	SCMP_SYS(io_uring_setup), /* could make sockets unseen */
	SCMP_SYS(mount),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
};

static void releasep(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int add_rules(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
		SCMP_A0(SCMP_CMP_NE, AF_UNIX));

	for (size_t i = 0; i < ARRAY_SIZE(refused) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	return r;
}

int core_confine(struct error *err)
{
	cleanup_with(releasep) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? add_rules(filter) : -ENOMEM;

	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot confine the core: %m");
	if (r == 0)
		r = seccomp_load(filter);
	return r < 0 ? error_set(err, r, "cannot confine the core by seccomp: %m") : 0;
}
