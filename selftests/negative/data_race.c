// SPDX-License-Identifier: GPL-2.0
/*
 * Planted: two threads change the same word, each without knowing of the other.
 */
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>

static struct task_struct *ksocket_race_tasks[2];
static unsigned long ksocket_race_word;

static noinline int ksocket_race_run(void *data)
{
	while (!kthread_should_stop()) {
		ksocket_race_word++;
		cond_resched();
	}

	return 0;
}

static int __init ksocket_race_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ksocket_race_tasks); i++)
		ksocket_race_tasks[i] = kthread_run(ksocket_race_run, NULL,
						    "ksocket_race/%d", i);
	return 0;
}
module_init(ksocket_race_init);

static void __exit ksocket_race_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ksocket_race_tasks); i++)
		if (!IS_ERR(ksocket_race_tasks[i]))
			kthread_stop(ksocket_race_tasks[i]);
}
module_exit(ksocket_race_exit);

MODULE_DESCRIPTION("a data race, for the tests");
MODULE_LICENSE("GPL");
