;; Under CGI: /fine is answered; else threads that spin, and make more of them while they may.
(module
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 1 1 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (export "memory" (memory 0))
  (data (i32.const 16) "Content-Type: text/plain\r\n\r\nfine\n")
  (data (i32.const 8) "\10\00\00\00\21\00\00\00") ;; the answer as an iovec
  (func $flood (loop $again (drop (call $spawn (i32.const 0))) (br $again)))
  (func (export "wasi_thread_start") (param i32 i32) (call $flood))
  (func (export "_start") (local $byte i32)
    (drop (call $environ_get (i32.const 1024) (i32.const 8192)))
    (local.set $byte (i32.const 8192))
    (loop $search
      (if (i32.eq (i32.load (local.get $byte)) (i32.const 0x6e69662f)) ;; "/fin"
        (then
          (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
          (return)))
      (local.set $byte (i32.add (local.get $byte) (i32.const 1)))
      (br_if $search (i32.lt_u (local.get $byte) (i32.const 32768))))
    (call $flood)))
