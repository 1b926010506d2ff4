// SPDX-License-Identifier: GPL-2.0
/* Planted bug: a read of freed memory. KASAN has to say so. */

#include <linux/module.h>
#include <linux/slab.h>

static int __init planted_init(void)
{
	int *gone = kmalloc_array(32, sizeof(*gone), GFP_KERNEL);

	if (!gone)
		return -ENOMEM;
	gone[7] = 1;
	kfree(gone);
	return READ_ONCE(gone[7]) == 12345 ? -EINVAL : 0;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("planted bug: use after free");
