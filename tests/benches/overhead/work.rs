//! The loops that are measured. Each times itself, in processor time, its children's included.

use std::hint::black_box;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every loop, in the order of the table.
pub(crate) const LOOPS: [&str; 6] = ["getppid", "open", "first", "connect", "forkexec", "agent"];

/// Files of which each is opened once.
pub(crate) const FIRST: usize = 20_000;

/// Runs one loop on the last processor and says what it took: operations, nanoseconds each.
///
/// `dir` holds the files of the loop that opens each once, made by somebody who is not watched.
pub(crate) fn run(name: &str, share: u64, dir: &Path) -> (u64, f64) {
    pin();
    let per_operation =
        |count: u64, f: &mut dyn FnMut(u64)| per_operation((count / share).max(3), f);
    match name {
        "getppid" => per_operation(2_000_000, &mut |_| {
            // SAFETY: takes and returns nothing but a number.
            black_box(unsafe { libc::syscall(libc::SYS_getppid) });
        }),
        "open" => {
            let dir = tempfile::tempdir().unwrap();
            let paths = files(dir.path(), 512, true);
            let open = |i: u64| drop(std::fs::File::open(&paths[i as usize % 512]).unwrap());
            // The first sights are not the point here.
            (0..512).for_each(open);
            per_operation(200_000, &mut { open })
        }
        "first" => {
            let paths = files(dir, FIRST, false);
            per_operation(FIRST as u64, &mut |i| {
                drop(std::fs::File::open(&paths[i as usize]).unwrap());
            })
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
            assert!(Command::new("/bin/true").status().unwrap().success());
        }),
        _ => per_operation(3, &mut |_| {
            let status = Command::new("python3").args(["-S", "-c", AGENT]).status();
            assert!(status.unwrap().success());
        }),
    }
}

/// The paths of so many files, made where they are missing.
pub(crate) fn files(dir: &Path, count: usize, make: bool) -> Vec<PathBuf> {
    let paths: Vec<_> = (0..count).map(|i| dir.join(format!("f{i}"))).collect();
    if make {
        for path in &paths {
            std::fs::write(path, "").unwrap();
        }
    }
    paths
}

fn per_operation(count: u64, mut operation: impl FnMut(u64)) -> (u64, f64) {
    let start = processor_time(libc::RUSAGE_SELF) + processor_time(libc::RUSAGE_CHILDREN);
    (0..count).for_each(&mut operation);
    let end = processor_time(libc::RUSAGE_SELF) + processor_time(libc::RUSAGE_CHILDREN);
    (count, (end - start) / count as f64)
}

/// Nanoseconds of processor time so far.
pub(crate) fn processor_time(who: i32) -> f64 {
    // SAFETY: all zeros is a valid rusage, and it is writable for the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &raw mut usage);
        usage
    };
    let nanos = |t: libc::timeval| t.tv_sec as f64 * 1e9 + t.tv_usec as f64 * 1e3;
    nanos(usage.ru_utime) + nanos(usage.ru_stime)
}

/// To the last processor: moving about is not what is measured.
fn pin() {
    let last = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    // SAFETY: all zeros is an empty set, and it lives across the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(last, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
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
