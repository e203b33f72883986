/// Keeps pages of other sites from using a browser's way to this service, as there is one where somebody forwards its
/// socket to a port of his machine.
struct OriginCheck {
    private let request: HTTPRequest

    init(_ request: HTTPRequest) { self.request = request }

    /// - Throws: `forbidden`.
    func require() throws(WebFailure) {
        let host = request.fields["host"] ?? ""
        guard Self.isLocal(host) else {
            throw .refusal(
                421, "forbidden", "the service is not known as \(host.prefix(200))",
                hint: "ask for it as localhost")
        }
        if let site = request.fields["sec-fetch-site"] {
            guard ["same-origin", "none"].contains(site) else { throw Self.foreign }
        }
        if let origin = request.fields["origin"] {
            guard origin == "http://" + host || origin == "https://" + host else {
                throw Self.foreign
            }
        }
    }

    private static let foreign = WebFailure.refusal(
        403, "forbidden", "a page of another site may not ask")

    /// Any other name an attacker could have resolved to this machine, those without a point included: they are asked
    /// for in the local network, too.
    private static func isLocal(_ host: String) -> Bool {
        guard !host.hasPrefix("[") else { return host == "[::1]" || host.hasPrefix("[::1]:") }
        let name = host.prefix { $0 != ":" }
        return ["", "localhost", "127.0.0.1"].contains(name.lowercased())
    }
}
