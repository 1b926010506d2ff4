// SPDX-License-Identifier: GPL-2.0
/* Planted bug: memory that is forgotten at every load. kmemleak has to say so. */

#include <linux/module.h>
#include <linux/slab.h>

static int __init planted_init(void)
{
	char *forgotten = kzalloc(333, GFP_KERNEL);

	/* Used, or the compiler would drop the allocation. */
	if (forgotten)
		strscpy(forgotten, THIS_MODULE->name, 333);
	return forgotten ? 0 : -ENOMEM;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("planted bug: memory leak");
