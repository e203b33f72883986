internal import Glibc
internal import SnapshotModel

/// Something that a cluster did not do.
struct ClusterFailure: Hashable {
    let name: ImageName
    /// How long an answer was waited for.
    let seconds: Int
    /// What could not be done, as a verb with its object.
    let operation: String
    /// The error number, positive.
    let code: Int32

    var problem: Problem {
        Problem(kind, "cannot \(operation), for image \(name.path): \(cause)", hint: hint)
    }

    private var kind: Problem.Code {
        switch code {
        case ENOENT: .notFound
        case EACCES, EPERM: .refused
        case EBUSY, EROFS, ESHUTDOWN: .locked
        case ENOSPC, EDQUOT: .noSpace
        case EEXIST: .exists
        case ETIMEDOUT, ENOTCONN, ECONNREFUSED, EHOSTUNREACH: .missing
        default: .inputOutput
        }
    }

    private var cause: String {
        switch code {
        case ETIMEDOUT: "the cluster has not answered within \(seconds) seconds"
        case ESHUTDOWN: "the cluster has shut this client out, because another one took its lock"
        case EROFS: "another client has the image's lock"
        default: String(cString: strerror(code))
        }
    }

    private var hint: Advice {
        let options = name.toolOptions
        return switch code {
        case ENOENT: "see what there is: `rbd ls --pool \(name.pool)\(options)`"
        case EACCES, EPERM:
            "the client needs `profile rbd` of the monitors and of the pool: "
                + "`ceph auth get client.\(name.client ?? "admin")`; see also which keyring it has"
        case ESHUTDOWN: "run the command again"
        case EBUSY, EROFS: "see who has it: `rbd status \(name.path)\(options)`"
        case ENOSPC, EDQUOT: "free space in the pool, or raise its quota: `ceph df\(options)`"
        case ETIMEDOUT:
            "look at the cluster, which may also be full: `ceph -s\(options)`, then run it again"
        default: "look at the cluster: `ceph -s\(options)`"
        }
    }
}
