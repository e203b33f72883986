extension RouteTable {
    /// The page, which is for everybody who reaches the service: what it shows, it asks for.
    static let pageRoutes: [WebRoute] = [
        WebRoute(
            method: .get, pattern: "/", role: nil, summary: "The page.", query: [], shape: .page,
            action: .look { _ in try page("/") }),
        WebRoute(
            method: .get, pattern: "/assets/{name}", role: nil, summary: "A part of the page.",
            query: [], shape: .page, action: .look { try page("/assets/\($0.variable("name"))") }),
    ]

    private static func page(_ path: Substring) throws(WebFailure) -> WebAnswer {
        guard let file = PageFile.at(path) else { throw .noRoute(String(path)) }
        return .page(file)
    }
}
