internal import System
internal import SnapshotModel

/// Whether only those can read and write who shall: what is asked before anything is served.
struct ServeSafety {
    private let request: ServeRequest
    private let environment: [String: String]

    /// More than any chain of certificates or list of revoked ones has, in bytes.
    private static let fileMaximum = 16 << 20

    init(_ request: ServeRequest, environment: [String: String]) {
        self.request = request
        self.environment = environment
    }

    /// - Throws: `refused` when others could write; `missing` or `failed` when a certificate is not
    ///   there, or none.
    func check() throws {
        if let tls = request.tls { return try checkCertificates(tls.path) }
        guard !request.allowsInsecureTCP, let place = try networkPlace() else { return }
        throw Problem(
            .refused,
            "serving on \(place) without TLS would let everybody read and write who can connect, "
                + "every user of this machine among them",
            hint: "add --tls DIR, or serve on a Unix socket with --socket PATH; --insecure-tcp "
                + "serves everybody all the same")
    }

    /// Where others than this user could connect; nil when they cannot.
    private func networkPlace() throws -> String? {
        switch request.endpoint {
        case .socket: return nil
        case .listen(let address, let port): return "\(address), port \(port),"
        case .inherited:
            for descriptor in PassedSockets.received(environment: environment) ?? 3..<3
            where try !ListeningSocket.isUnix(descriptor) {
                return "the network socket that systemd has opened"
            }
            return nil
        }
    }

    // MARK: certificates

    /// nbdkit would start with an authority that it cannot read, and would take a list of revoked
    /// certificates that it cannot read for none.
    private func checkCertificates(_ folder: String) throws {
        try require("ca-cert.pem", in: folder, "CERTIFICATE-----")
        try require("server-cert.pem", in: folder, "CERTIFICATE-----")
        try require("server-key.pem", in: folder, "PRIVATE KEY-----")
        let revoked = folder + "/ca-crl.pem"
        guard try FileStatus.ofName(revoked) != nil else { return }
        try require("ca-crl.pem", in: folder, "CRL-----")
    }

    private func require(_ name: String, in folder: String, _ mark: String) throws {
        let path = "\(folder)/\(name)"
        let text: String
        do throws(IOFailure) {
            let bytes = try FileFolder.readFile(path: path, limitBytes: Self.fileMaximum)
            text = String(decoding: bytes, as: UTF8.self)
        } catch {
            throw Problem(
                error.isNotFound ? .missing : .failed,
                error.isNotFound ? "\(folder) holds no \(name)" : error.description,
                hint: "put ca-cert.pem, server-cert.pem and server-key.pem there")
        }
        guard text.contains(mark) else {
            throw Problem(
                .failed, "\(path) holds nothing of the kind that its name says",
                hint: "look into it with `certtool -i --infile \(path)`: it must be PEM")
        }
    }
}
