internal import Glibc

/// How many files and sockets a process may have open.
package enum DescriptorLimit {
    /// Raises this process's limit as far as everybody may: to its hard limit. The soft limit of 1,024 is
    /// for programs that use select(2); those that a server starts would inherit the raised one.
    ///
    /// - Returns: the limit now; nil when it cannot be asked for.
    @discardableResult
    package static func raise() -> Int? {
        var limit = rlimit()
        let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(files, &limit) == 0 else { return nil }
        let known = limit
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(files, &limit) == 0 else {
            return Int(clamping: known.rlim_cur)
        }
        return Int(clamping: limit.rlim_cur)
    }
}
