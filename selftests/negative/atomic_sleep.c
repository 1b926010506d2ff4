// SPDX-License-Identifier: GPL-2.0
/* Planted bug: an allocation that may sleep under a spinlock. */

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(lock);

static int __init planted_init(void)
{
	void *mem;

	spin_lock(&lock);
	mem = kmalloc(64, GFP_KERNEL);
	spin_unlock(&lock);
	kfree(mem);
	return 0;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("planted bug: sleep in atomic context");
