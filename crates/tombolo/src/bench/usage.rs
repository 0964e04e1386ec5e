//! What processes use, as Linux tells; nothing elsewhere.

use std::time::Instant;

/// `USER_HZ`, in which `/proc` counts processor time: 100 on every platform of Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// Columns of `/proc/PID/stat` after the name in parentheses: user and system time.
const STAT_TIMES: [usize; 2] = [11, 12];
/// Columns of the first line of `/proc/stat` that are no work: idle, and waiting for disks.
const IDLE_COLUMNS: [usize; 2] = [3, 4];

/// Processor seconds of a process so far, all threads together.
pub(crate) fn cpu_s(pid: u32) -> Option<f64> {
    cpu_s_of(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn cpu_s_of(stat: &str) -> Option<f64> {
    let (_, columns) = stat.rsplit_once(')')?;
    let columns: Vec<&str> = columns.split_whitespace().collect();
    let ticks = STAT_TIMES.iter().map(|column| columns.get(*column)?.parse::<f64>().ok());
    Some(ticks.sum::<Option<f64>>()? / TICKS_PER_SECOND)
}

/// Processor seconds of the whole machine so far.
fn machine_cpu_s() -> Option<f64> {
    machine_cpu_s_of(&std::fs::read_to_string("/proc/stat").ok()?)
}

fn machine_cpu_s_of(stat: &str) -> Option<f64> {
    let columns = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    // Guests' time, in the last two columns, is in the first ones already.
    let ticks: Option<Vec<f64>> = columns.take(8).map(|column| column.parse().ok()).collect();
    let busy = ticks?.into_iter().enumerate().filter(|(column, _)| !IDLE_COLUMNS.contains(column));
    Some(busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS_PER_SECOND)
}

/// Memory of a process that is in use now, and the most that ever was, in MiB.
pub(crate) fn memory_mib(pid: u32) -> Option<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some((mib(&status, "VmRSS:")?, mib(&status, "VmHWM:")?))
}

fn mib(status: &str, name: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Processor time at one moment: of the providers, of us, of the whole machine.
#[derive(Clone, Debug)]
pub(crate) struct Clocks {
    at: Instant,
    providers_s: Vec<Option<f64>>,
    client_s: Option<f64>,
    machine_s: Option<f64>,
}

/// Processors in use between two moments.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    /// By provider.
    pub(crate) providers: Vec<Option<f64>>,
    /// By us.
    pub(crate) client: Option<f64>,
    /// By everybody else on the machine: a measurement during which it is much is disturbed.
    pub(crate) others: Option<f64>,
}

impl Clocks {
    /// Reads them now.
    pub(crate) fn read(providers: &[u32]) -> Self {
        Self {
            at: Instant::now(),
            providers_s: providers.iter().map(|pid| cpu_s(*pid)).collect(),
            client_s: cpu_s(std::process::id()),
            machine_s: machine_cpu_s(),
        }
    }

    /// What was in use from then until `end`.
    pub(crate) fn until(&self, end: &Self) -> Cores {
        let wall_s = end.at.duration_since(self.at).as_secs_f64().max(f64::MIN_POSITIVE);
        let cores = |then: Option<f64>, now: Option<f64>| Some((now? - then?) / wall_s);
        let pairs = self.providers_s.iter().zip(&end.providers_s);
        let providers: Vec<_> = pairs.map(|(then, now)| cores(*then, *now)).collect();
        let client = cores(self.client_s, end.client_s);
        let ours = providers.iter().copied().sum::<Option<f64>>().zip(client);
        let machine = cores(self.machine_s, end.machine_s);
        let others = machine.zip(ours).map(|(all, (servers, client))| all - servers - client);
        Cores { providers, client, others: others.map(|others| others.max(0.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{cpu_s_of, machine_cpu_s_of, mib};

    #[test]
    fn processor_time_is_user_and_system_time() {
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0";
        assert_eq!(cpu_s_of(stat), Some(3.0));
        assert_eq!(cpu_s_of("42 (short) S 1"), None);
        let machine = "cpu  100 10 40 9000 800 1 2 3 50 60\ncpu0 1 2 3";
        assert_eq!(machine_cpu_s_of(machine), Some(1.56));
    }

    #[test]
    fn memory_is_read_in_mib() {
        let status = "Name:\ttombolo\nVmHWM:\t   4096 kB\nVmRSS:\t   2048 kB\n";
        assert_eq!(mib(status, "VmRSS:"), Some(2.0));
        assert_eq!(mib(status, "VmSwap:"), None);
    }
}
