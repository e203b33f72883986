import ArgumentParser
import FoundationEssentials
import SnapshotModel

/// Which cluster is meant by the name of an image, and by whose keys it is used.
struct ClusterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Of an image in a Ceph cluster: use the keys of this client; admin, unless it is said.",
            valueName: "client"))
    var cephID: String?

    @Option(
        help: ArgumentHelp(
            "Of an image in a Ceph cluster: its configuration; /etc/ceph/ceph.conf, unless it is said.",
            valueName: "file"), completion: .file())
    var cephConf: String?

    private static let scheme = "rbd:"

    /// - Throws: when they are given for what is no image in a cluster.
    func requireImage(_ origin: String?) throws {
        guard cephID != nil || cephConf != nil else { return }
        guard let origin, origin.hasPrefix(Self.scheme) else {
            throw ValidationError("--ceph-id and --ceph-conf need --origin rbd:POOL/IMAGE")
        }
    }

    /// The name of an origin with what is said here.
    func completing(_ origin: String) -> String {
        let conf = cephConf.map { path in
            path.hasPrefix("/")
                ? path : FileManager.default.currentDirectoryPath + "/" + path
        }
        let options = [("id", cephID), ("conf", conf)].compactMap { key, value in
            value.map { ":\(key)=\(Self.escaped($0))" }
        }
        return origin + options.joined()
    }

    private static func escaped(_ value: String) -> String {
        value.reduce(into: "") { text, character in
            if character == ":" || character == "\\" { text.append("\\") }
            text.append(character)
        }
    }
}
