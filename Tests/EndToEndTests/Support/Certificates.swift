import Foundation
import Glibc

/// Authorities and certificates that they have signed, made by certtool.
struct Certificates {
    let harness: CommandLineHarness

    /// Makes an authority: `NAME-cert.pem` and `NAME-key.pem`.
    func makeAuthority(_ name: String) throws {
        try writeTemplate(name, "cn = \(name)\nca\ncert_signing_key\ncrl_signing_key\n")
        try certtool(
            "--generate-self-signed", "--load-privkey", "\(name)-key.pem", "--template",
            "\(name).info", "--outfile", "\(name)-cert.pem")
    }

    /// Makes a folder as servers and libnbd want it, with a certificate of one authority beside
    /// that of another, or the same.
    ///
    /// - Parameters:
    ///   - kind: `server` or `client`; nil makes no certificate but the authority's.
    ///   - signer: nil is the authority itself.
    func makeFolder(
        _ folder: String, kind: String?, authority: String, signer: String? = nil
    ) throws {
        let path = "\(harness.folder)/\(folder)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: "\(harness.folder)/\(authority)-cert.pem", toPath: path + "/ca-cert.pem")
        guard let kind else { return }
        let signer = signer ?? authority
        let name = kind == "server" ? "cn = localhost\ndns_name = localhost\n" : "cn = client\n"
        try writeTemplate("\(folder)/\(kind)", name + "tls_www_\(kind)\nencryption_key\n")
        try certtool(
            "--generate-certificate", "--load-privkey", "\(folder)/\(kind)-key.pem",
            "--load-ca-certificate", "\(signer)-cert.pem", "--load-ca-privkey",
            "\(signer)-key.pem", "--template", "\(folder)/\(kind).info", "--outfile",
            "\(folder)/\(kind)-cert.pem")
        // Another user reads its own.
        for file in try FileManager.default.contentsOfDirectory(atPath: path) {
            chmod("\(path)/\(file)", 0o644)
        }
    }

    /// Puts the list of revoked certificates into a server's folder.
    func revoke(_ certificate: String, by authority: String, in folder: String) throws {
        let template = "expiration_days = 30\ncrl_next_update = 30\ncrl_number = 1\n"
        try Data(template.utf8).write(to: URL(filePath: "\(harness.folder)/crl.info"))
        try certtool(
            "--generate-crl", "--load-ca-certificate", "\(authority)-cert.pem",
            "--load-ca-privkey", "\(authority)-key.pem", "--load-certificate", certificate,
            "--template", "crl.info", "--outfile", "\(folder)/ca-crl.pem")
    }

    private func writeTemplate(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(harness.folder)/\(name).info"))
        try certtool("--generate-privkey", "--ecc", "--outfile", "\(name)-key.pem")
    }

    private func certtool(_ arguments: String...) throws {
        let result = try harness.tool(["certtool"] + arguments)
        guard result.status == 0 else { throw Failure(text: result.errors) }
    }

    struct Failure: Error {
        var text: String
    }
}
