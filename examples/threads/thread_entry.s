# wasi_thread_start(id, argument): where a thread begins.
#
# It has globals of its own, so __stack_pointer stands where the first thread's stood at its start. The compiler's code
# uses it at once; it is moved before, to the address that the argument's first word holds.
    .globaltype __stack_pointer, i32
    .functype run_thread (i32, i32) -> ()

    .section .text.wasi_thread_start,"",@
    .globl wasi_thread_start
    .type wasi_thread_start,@function
wasi_thread_start:
    .functype wasi_thread_start (i32, i32) -> ()
    local.get 1
    i32.load 0
    global.set __stack_pointer
    local.get 0
    local.get 1
    call run_thread
    end_function
