/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/test.h"

struct counter {
    struct lock lock;
    struct cond changed;
    int value;
};

static void counter_init(struct counter *c)
{
    lock_init(&c->lock, RANK_LEAF, "counter");
    cond_init(&c->changed);
    c->value = 0;
}

static void counter_release(struct counter *c)
{
    cond_destroy(&c->changed);
    lock_destroy(&c->lock);
}

static void *count_up(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < 10000; i++) {
        lock_take(&c->lock);
        lock_assert_held(&c->lock);
        c->value++;
        cond_signal(&c->changed);
        lock_release(&c->lock);
    }
    return NULL;
}

static void a_lock_excludes_and_a_condition_wakes(void **state)
{
    (void)state;
    struct counter c;
    counter_init(&c);
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &c), 0);
    }
    lock_take(&c.lock);
    while (c.value < 40000) {
        cond_wait(&c.changed, &c.lock);
    }
    lock_release(&c.lock);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(c.value, 40000);
    counter_release(&c);
}

static void waiting_ends_when_the_time_is_up(void **state)
{
    (void)state;
    struct counter c;
    counter_init(&c);
    lock_take(&c.lock);
    int64_t before = clock_mono_ms();
    /* A wake-up without a cause is allowed, so loop as every caller must. */
    while (cond_wait_ms(&c.changed, &c.lock, 1100)) {
    }
    assert_true(clock_mono_ms() - before >= 1000);
    assert_false(cond_wait_ms(&c.changed, &c.lock, -5));
    lock_release(&c.lock);
    counter_release(&c);
}

static void locks_may_be_released_in_any_order(void **state)
{
    (void)state;
    struct lock room, cache, leaf;
    lock_init(&room, RANK_ROOM, "room");
    lock_init(&cache, RANK_CACHE, "cache");
    lock_init(&leaf, RANK_LEAF, "leaf");
    lock_take(&room);
    lock_take(&cache);
    lock_take(&leaf);
    lock_release(&cache);
    lock_release(&room);
    lock_release(&leaf);
    lock_take(&room);
    lock_take(&leaf);
    lock_release(&leaf);
    lock_release(&room);
    lock_destroy(&room);
    lock_destroy(&cache);
    lock_destroy(&leaf);
}

#ifdef INGOT_DEBUG

/* True if fn aborts the process that runs it. */
static bool aborts(void (*fn)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka and sanitizers catch it */
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static struct lock low, low_too, high;

static void take_in_falling_rank(void)
{
    lock_take(&high);
    lock_take(&low);
}

static void take_two_of_one_rank(void)
{
    lock_take(&low);
    lock_take(&low_too);
}

static void release_what_is_not_held(void)
{
    lock_release(&low);
}

static void assert_what_is_not_held(void)
{
    lock_assert_held(&low);
}

static void wait_holding_another(void)
{
    struct cond c;
    cond_init(&c);
    lock_take(&low);
    lock_take(&high);
    cond_wait_ms(&c, &high, 1);
}

#endif

static void breaking_the_order_aborts_in_debug_builds(void **state)
{
    (void)state;
#ifdef INGOT_DEBUG
    lock_init(&low, RANK_REGISTRY, "low");
    lock_init(&low_too, RANK_REGISTRY, "low too");
    lock_init(&high, RANK_LEAF, "high");
    assert_true(aborts(take_in_falling_rank));
    assert_true(aborts(take_two_of_one_rank));
    assert_true(aborts(release_what_is_not_held));
    assert_true(aborts(assert_what_is_not_held));
    assert_true(aborts(wait_holding_another));
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lock_excludes_and_a_condition_wakes),
        TEST(waiting_ends_when_the_time_is_up),
        TEST(locks_may_be_released_in_any_order),
        TEST(breaking_the_order_aborts_in_debug_builds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
