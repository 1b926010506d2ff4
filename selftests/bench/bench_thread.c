// SPDX-License-Identifier: GPL-2.0
/*
 * bench_thread - TCP echo and relay as a module is usually written: a thread for
 * each connection, in mode relay two, each with kernel_recvmsg() to a buffer of
 * 64 kB and kernel_sendmsg() from it. To compare ksocket with.
 */
#include <linux/inet.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

#define THREAD_BUFFER	65536
#define THREAD_BACKLOG	1024

static char *addr = "192.0.2.2";
module_param(addr, charp, 0444);
MODULE_PARM_DESC(addr, "address to listen at");
static ushort port = 7000;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "port to listen at");
static char *to = "";
module_param(to, charp, 0444);
MODULE_PARM_DESC(to, "the receiver's address; without one bytes go back");
static ushort to_port = 5000;
module_param(to_port, ushort, 0444);
MODULE_PARM_DESC(to_port, "the receiver's port");

/* One direction, and the thread that serves it. */
struct thread_way {
	struct thread_conn *conn;
	struct socket *from;
	struct socket *to;
	struct task_struct *task;
	void *data;
};

struct thread_conn {
	struct list_head node;
	struct socket *client;
	struct socket *upstream;
	struct thread_way ways[2];
	atomic_t running;
};

static struct net *thread_net;
static struct sockaddr_storage receiver;
static struct socket *listener;
static struct task_struct *acceptor;
static LIST_HEAD(conns);

static int thread_send(struct thread_way *way, size_t len)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };
	struct kvec vec = { .iov_base = way->data, .iov_len = len };

	/* All of it: the socket blocks. */
	return kernel_sendmsg(way->to, &msg, &vec, 1, len);
}

static int thread_pass(void *data)
{
	struct thread_way *way = data;
	int n;

	for (;;) {
		struct msghdr msg = {};
		struct kvec vec = {
			.iov_base = way->data,
			.iov_len = THREAD_BUFFER,
		};

		n = kernel_recvmsg(way->from, &msg, &vec, 1, THREAD_BUFFER, 0);
		if (n <= 0 || thread_send(way, n) < n)
			break;
	}

	kernel_sock_shutdown(way->to, SHUT_WR);
	if (n)
		kernel_sock_shutdown(way->from, SHUT_RDWR);
	/* The last one, so that the client sees the end of it. */
	if (atomic_dec_and_test(&way->conn->running)) {
		kernel_sock_shutdown(way->from, SHUT_RDWR);
		kernel_sock_shutdown(way->to, SHUT_RDWR);
	}
	return 0;
}

static void thread_way_end(struct thread_way *way)
{
	if (way->task) {
		/* It is over or ends now that both sockets are shut. */
		kthread_stop(way->task);
		put_task_struct(way->task);
	}
	kvfree(way->data);
}

static void thread_conn_end(struct thread_conn *conn)
{
	int i;

	kernel_sock_shutdown(conn->client, SHUT_RDWR);
	if (conn->upstream)
		kernel_sock_shutdown(conn->upstream, SHUT_RDWR);
	for (i = 0; i < ARRAY_SIZE(conn->ways); i++)
		thread_way_end(&conn->ways[i]);
	sock_release(conn->client);
	if (conn->upstream)
		sock_release(conn->upstream);
	list_del(&conn->node);
	kfree(conn);
}

static int thread_way_start(struct thread_way *way, struct thread_conn *conn,
			    struct socket *from, struct socket *to)
{
	struct task_struct *task;

	way->conn = conn;
	way->from = from;
	way->to = to;
	way->data = kvmalloc(THREAD_BUFFER, GFP_KERNEL);
	if (!way->data)
		return -ENOMEM;
	task = kthread_create(thread_pass, way, "bench_thread");
	if (IS_ERR(task))
		return PTR_ERR(task);
	get_task_struct(task);
	way->task = task;
	return 0;
}

static int thread_connect(struct thread_conn *conn)
{
	int err;

	err = sock_create_kern(thread_net, receiver.ss_family, SOCK_STREAM,
			       IPPROTO_TCP, &conn->upstream);
	if (err)
		return err;

	tcp_sock_set_nodelay(conn->upstream->sk);
	/* No type that all kernels agree on. */
	return kernel_connect(conn->upstream, (void *)&receiver,
			      sizeof(receiver), 0);
}

static void thread_conn_start(struct socket *client)
{
	struct thread_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	int err, i;

	if (!conn) {
		sock_release(client);
		return;
	}

	conn->client = client;
	list_add_tail(&conn->node, &conns);
	tcp_sock_set_nodelay(client->sk);
	if (!*to) {
		err = thread_way_start(&conn->ways[0], conn, client, client);
	} else {
		err = thread_connect(conn);
		if (!err)
			err = thread_way_start(&conn->ways[0], conn, client,
					       conn->upstream);
		if (!err)
			err = thread_way_start(&conn->ways[1], conn,
					       conn->upstream, client);
	}
	if (err) {
		thread_conn_end(conn);
		return;
	}

	atomic_set(&conn->running, *to ? 2 : 1);
	for (i = 0; i < ARRAY_SIZE(conn->ways); i++)
		if (conn->ways[i].task)
			wake_up_process(conn->ways[i].task);
}

static void thread_reap(bool all)
{
	struct thread_conn *conn, *next;

	list_for_each_entry_safe(conn, next, &conns, node)
		if (all || !atomic_read(&conn->running))
			thread_conn_end(conn);
}

static int thread_accept(void *data)
{
	struct socket *client;

	while (!kthread_should_stop()) {
		if (kernel_accept(listener, &client, 0)) {
			/* It is shut: there is nothing but to be stopped. */
			schedule_timeout_interruptible(1);
			continue;
		}
		thread_reap(false);
		thread_conn_start(client);
	}
	return 0;
}

static int thread_listen(void)
{
	struct sockaddr_storage local;
	char text[8];
	int err;

	snprintf(text, sizeof(text), "%u", port);
	err = inet_pton_with_scope(thread_net, AF_UNSPEC, addr, text, &local);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%u", to_port);
	if (*to)
		err = inet_pton_with_scope(thread_net, AF_UNSPEC, to, text,
					   &receiver);
	if (err)
		return err;

	err = sock_create_kern(thread_net, local.ss_family, SOCK_STREAM,
			       IPPROTO_TCP, &listener);
	if (err)
		return err;

	sock_set_reuseaddr(listener->sk);
	err = kernel_bind(listener, (void *)&local, sizeof(local));
	if (!err)
		err = kernel_listen(listener, THREAD_BACKLOG);
	if (err)
		sock_release(listener);
	return err;
}

static int __init thread_init(void)
{
	int err;

	thread_net = get_net(current->nsproxy->net_ns);
	err = thread_listen();
	if (err)
		goto err_put_net;

	acceptor = kthread_create(thread_accept, NULL, "bench_accept");
	if (IS_ERR(acceptor)) {
		err = PTR_ERR(acceptor);
		goto err_release;
	}
	wake_up_process(acceptor);
	return 0;

err_release:
	sock_release(listener);
err_put_net:
	put_net(thread_net);
	return err;
}
module_init(thread_init);

static void __exit thread_exit(void)
{
	kernel_sock_shutdown(listener, SHUT_RDWR);
	kthread_stop(acceptor);
	thread_reap(true);
	sock_release(listener);
	put_net(thread_net);
}
module_exit(thread_exit);

MODULE_DESCRIPTION("a thread for each TCP connection, for the ksocket benchmark");
MODULE_LICENSE("GPL");
