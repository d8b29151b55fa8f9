//! What watching costs: the same loops with nothing, an empty BPF program, the sensor, and strace.
//!
//! Every variant is paired with a fresh baseline, which goes first in every other pair, and the
//! ratios of the pairs are reported as medians with a 95 % interval (bootstrap). `JSON=1` prints
//! one object on one line; `PAIRS` and `ONLY` choose how many pairs and which loops.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

#[cfg(feature = "bpf")]
fn main() {
    live::main();
}

#[cfg(not(feature = "bpf"))]
fn main() {
    println!("the bench needs the feature `bpf`");
}

#[cfg(feature = "bpf")]
mod live {
    use std::collections::BTreeMap;
    use std::hint::black_box;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::path::PathBuf;
    use std::process::{Command as Process, Stdio};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use agentsec_core::observe::{Command, Scope, Sensor};
    use libbpf_rs::libbpf_sys;

    const LOOPS: [&str; 5] = ["getppid", "open", "connect", "forkexec", "agent"];
    const VARIANTS: [&str; 4] = ["empty", "sensor", "outside", "strace"];

    pub(super) fn main() {
        let args: Vec<String> = std::env::args().collect();
        if let [_, work, name, rest @ ..] = args.as_slice() {
            if work == "work" {
                // strace makes each call a hundred times slower: fewer of them show it as well.
                let share = if rest.iter().any(|r| r == "few") {
                    50
                } else {
                    1
                };
                println!("{}", work_loop(name, share));
                return;
            }
        }
        if !rustix::process::geteuid().is_root() {
            println!("the bench needs root");
            return;
        }
        let pairs: usize = std::env::var("PAIRS")
            .ok()
            .and_then(|p| p.parse().ok())
            .unwrap_or(9)
            .max(7);
        let only = std::env::var("ONLY").unwrap_or_else(|_| LOOPS.join(","));
        let chosen: Vec<&str> = only.split(',').collect();
        assert!(
            chosen.iter().all(|name| LOOPS.contains(name)),
            "ONLY takes some of {LOOPS:?}"
        );
        let mut results = BTreeMap::new();
        for name in chosen {
            for variant in VARIANTS {
                let ratios: Vec<f64> = (0..pairs)
                    .map(|pair| {
                        // What comes second may find the machine warmer, or more tired.
                        if pair % 2 == 0 {
                            let base = measure(name, "none");
                            measure(name, variant) / base
                        } else {
                            let watched = measure(name, variant);
                            watched / measure(name, "none")
                        }
                    })
                    .collect();
                let (median, low, high) = median_interval(&ratios);
                eprintln!("{name:>9} {variant:>8}  {median:.2}x  [{low:.2}, {high:.2}]  n={pairs}");
                results.insert(format!("{name}/{variant}"), (median, low, high, pairs));
            }
        }
        eprintln!("sensor loaded in {:.0} ms (median of 7)", load_time());
        if std::env::var_os("JSON").is_some_and(|v| v == "1") {
            let rows = results.iter().map(|(name, (ratio, low, high, n))| {
                format!(
                    "\"{name}\":{{\"ratio\":{ratio:.4},\"ci95\":[{low:.4},{high:.4}],\"n\":{n}}}"
                )
            });
            println!("{{{}}}", rows.collect::<Vec<_>>().join(","));
        }
    }

    /// Nanoseconds per operation of one loop under one variant.
    fn measure(name: &str, variant: &str) -> f64 {
        match variant {
            "none" => run(Process::new(own()), name, &[]),
            "empty" => {
                let _program = empty_program();
                run(Process::new(own()), name, &[])
            }
            "strace" => {
                let mut strace = Process::new("strace");
                strace.args(["-f", "-c", "-o", "/dev/null"]).arg(own());
                run(strace, name, &["few"])
            }
            "outside" => with_sensor(|_| run(Process::new(own()), name, &[])),
            _ => with_sensor(|control| {
                let output = tempfile::NamedTempFile::new().unwrap();
                let script = format!("exec \"$0\" work {name} > {}", output.path().display());
                let command = Command::new("/bin/sh").arg("-c").arg(script).arg(own());
                let mut child = control.spawn(&command).unwrap();
                child.wait().unwrap();
                control.remove_scope(child.scope()).unwrap();
                std::fs::read_to_string(output.path())
                    .unwrap()
                    .trim()
                    .parse()
                    .unwrap()
            }),
        }
    }

    fn own() -> PathBuf {
        std::env::current_exe().unwrap()
    }

    fn run(mut process: Process, name: &str, more: &[&str]) -> f64 {
        let output = process
            .args(["work", name])
            .args(more)
            .stderr(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .unwrap()
    }

    /// A sensor that watches somebody, with a consumer on a thread of its own.
    fn with_sensor(work: impl FnOnce(&agentsec_core::observe::Control) -> f64) -> f64 {
        let (mut sensor, control) = Sensor::builder().load().unwrap();
        let cgroup = agentsec_core::observe::Roots::default().cgroup2().unwrap();
        let cgroup = cgroup.join(format!("agentsec-bench-{}", std::process::id()));
        std::fs::create_dir_all(&cgroup).unwrap();
        control.add_scope(&Scope::cgroup(&cgroup).unwrap()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let consumer = std::thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) {
                sensor
                    .poll(Duration::from_millis(100), |e| {
                        black_box(e);
                    })
                    .unwrap();
            }
            sensor.finish(|_| {}).unwrap();
        });
        let result = work(&control);
        stop.store(true, Ordering::Relaxed);
        consumer.join().unwrap();
        let _ = std::fs::remove_dir(cgroup);
        result
    }

    /// `return 0` on every return from a system call: what any such hook costs at least.
    fn empty_program() -> [OwnedFd; 2] {
        let instruction = |code: u8| libbpf_sys::bpf_insn {
            code,
            ..Default::default()
        };
        // r0 = 0; exit
        let program = [instruction(0xb7), instruction(0x95)];
        // SAFETY: the instructions live across the call and the strings are terminated.
        let fd = unsafe {
            libbpf_sys::bpf_prog_load(
                libbpf_sys::BPF_PROG_TYPE_RAW_TRACEPOINT,
                c"empty".as_ptr(),
                c"GPL".as_ptr(),
                program.as_ptr(),
                program.len() as u64,
                std::ptr::null_mut(),
            )
        };
        assert!(fd >= 0, "cannot load an empty program: {fd}");
        // SAFETY: `fd` is the program loaded above.
        let link = unsafe { libbpf_sys::bpf_raw_tracepoint_open(c"sys_exit".as_ptr(), fd) };
        assert!(link >= 0, "cannot attach an empty program: {link}");
        // SAFETY: both were opened just now and belong to nobody else.
        unsafe { [OwnedFd::from_raw_fd(fd), OwnedFd::from_raw_fd(link)] }
    }

    fn load_time() -> f64 {
        let mut times: Vec<f64> = (0..7)
            .map(|_| {
                let start = Instant::now();
                let sensor = Sensor::builder().load().unwrap();
                let time = start.elapsed().as_secs_f64() * 1000.0;
                drop(sensor);
                time
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[3]
    }

    /// One loop, timed by itself. Each runs a fraction of a second.
    fn work_loop(name: &str, share: u64) -> f64 {
        let per_operation =
            |count: u64, f: &mut dyn FnMut(u64)| per_operation((count / share).max(3), f);
        match name {
            "getppid" => per_operation(2_000_000, &mut |_| {
                // SAFETY: takes and returns nothing but a number.
                black_box(unsafe { libc::syscall(libc::SYS_getppid) });
            }),
            "open" => {
                let dir = tempfile::tempdir().unwrap();
                let paths: Vec<_> = (0..512).map(|i| dir.path().join(format!("f{i}"))).collect();
                for path in &paths {
                    std::fs::write(path, "").unwrap();
                }
                let open = |i: u64| drop(std::fs::File::open(&paths[i as usize % 512]).unwrap());
                // The first sights are not the point here.
                (0..512).for_each(open);
                per_operation(200_000, &mut { open })
            }
            "connect" => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                per_operation(4000, &mut |_| {
                    let client = TcpStream::connect(address).unwrap();
                    let (mut server, _) = listener.accept().unwrap();
                    drop(client);
                    let _ = server.read(&mut [0; 1]);
                })
            }
            "forkexec" => per_operation(300, &mut |_| {
                assert!(Process::new("/bin/true").status().unwrap().success());
            }),
            _ => per_operation(3, &mut |_| {
                let status = Process::new("python3").args(["-S", "-c", AGENT]).status();
                assert!(status.unwrap().success());
            }),
        }
    }

    fn per_operation(count: u64, mut operation: impl FnMut(u64)) -> f64 {
        let start = Instant::now();
        (0..count).for_each(&mut operation);
        start.elapsed().as_nanos() as f64 / count as f64
    }

    /// One step of a Python agent: imports, files, a request to a local server, three tools.
    const AGENT: &str = "
import json, ssl, http.client, http.server, threading, subprocess, os
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(200); self.end_headers(); self.wfile.write(b'{\"tool\":\"ls\"}')
    def log_message(self, *a): pass
s = http.server.HTTPServer(('127.0.0.1', 0), H)
threading.Thread(target=s.serve_forever, daemon=True).start()
for _ in range(3):
    c = http.client.HTTPConnection('127.0.0.1', s.server_port)
    c.request('POST', '/', json.dumps({'m': 'x' * 1000})); json.loads(c.getresponse().read()); c.close()
base = os.path.dirname(json.__file__) + '/..'
for f in sorted(os.listdir(base))[:160]:
    if f.endswith('.py'): open(os.path.join(base, f), 'rb').read()
for t in ('ls / > /dev/null', 'cat /etc/passwd | wc -l > /dev/null', 'true'):
    subprocess.run(['sh', '-c', t], check=True)
";

    /// Median and its bootstrap 95 % interval; the resampling is seeded, so it repeats.
    fn median_interval(values: &[f64]) -> (f64, f64, f64) {
        let median = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut medians: Vec<f64> = (0..2000)
            .map(|_| {
                let mut sample: Vec<f64> = (0..values.len())
                    .map(|_| {
                        seed ^= seed << 13;
                        seed ^= seed >> 7;
                        seed ^= seed << 17;
                        values[seed as usize % values.len()]
                    })
                    .collect();
                median(&mut sample)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        (median(&mut values.to_vec()), medians[50], medians[1949])
    }
}
