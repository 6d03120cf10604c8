//! Why a request failed, and what to do about it.

use std::{fmt, io};

/// Why a request failed. Says what to do; the [`Command`](crate::Command) says what was tried.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// This kernel has no IPVS, and no module of it to load.
    NoIpvs,
    /// The kernel refused.
    Kernel {
        /// Its error number, positive.
        errno: i32,
        /// Its explanation, if it gave one.
        text: Option<String>,
    },
    /// The socket failed. What the kernel did with the request isn't known.
    Io(io::Error),
    /// The kernel's answer made no sense: what of it.
    Malformed(&'static str),
    /// The kernel's table changed during every attempt to read it.
    Changing,
    /// Not sent: a value that can't be written down for the kernel, and which.
    Unusable(&'static str),
    /// Sent, but an answer never came. What the kernel did with the request isn't known.
    Unanswered,
    /// Not sent, because an earlier command of the same call got no answer, or none that made sense.
    NotSent,
}

impl Error {
    /// The service or destination to be added is there already.
    pub fn is_present(&self) -> bool {
        self.errno() == Some(EEXIST)
    }

    /// There is no such service (ESRCH), or no such destination or scheduler (ENOENT).
    pub fn is_absent(&self) -> bool {
        matches!(self.errno(), Some(ESRCH | ENOENT))
    }

    /// The kernel's error number.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Kernel { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

// The same numbers on every architecture of Linux.
const EPERM: i32 = 1;
pub(crate) const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EBUSY: i32 = 16;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const ERANGE: i32 = 34;

/// What an error number means in IPVS, where it is more than the general text.
fn meaning(errno: i32) -> Option<&'static str> {
    Some(match errno {
        EPERM => "CAP_NET_ADMIN is needed in this network namespace",
        ENOENT => {
            "no such destination, or no such scheduler or persistence engine in this kernel (modprobe ip_vs_NAME)"
        }
        ESRCH => "no such service, or no such sync daemon",
        EBUSY => "in use",
        EEXIST => "it is there already: change it instead of adding it",
        EINVAL => {
            "a value is out of range, address families are mixed without a tunnel, port 0 lacks persistence, or a tunnel \
             needs a port"
        }
        ERANGE => "the weight is above 2147483647, or the lower threshold above the upper one",
        _ => return None,
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoIpvs => f.write_str(
                "this kernel has no IPVS: run `modprobe ip_vs` on the host, or use a kernel that was built with CONFIG_IP_VS",
            ),
            Error::Kernel { errno, text } => {
                write!(f, "the kernel refused: {}", io::Error::from_raw_os_error(*errno))?;
                if let Some(text) = text {
                    write!(f, ": {text}")?;
                }
                match meaning(*errno) {
                    Some(meaning) => write!(f, ": {meaning}"),
                    None => Ok(()),
                }
            }
            Error::Io(e) => write!(f, "the netlink socket to IPVS failed: {e}; open another one and read the table back"),
            Error::Malformed(what) => write!(f, "the kernel's answer about IPVS was malformed: {what}; is it newer than this?"),
            Error::Changing => f.write_str("the kernel's IPVS table changed while it was read; try again"),
            Error::Unusable(what) => write!(f, "not sent to IPVS: {what}"),
            Error::Unanswered => f.write_str("the kernel's answer about IPVS was lost; read the table back"),
            Error::NotSent => f.write_str("not sent to IPVS, because an earlier command failed; read the table back"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(e) => Some(e),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Error::Io(e)
    }
}
