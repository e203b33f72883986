internal import CWebPage

/// A file of the page, which is a part of the program: index.html at `/`, the others below `/assets/`.
struct PageFile: Sendable {
    /// Its media type, as a header has it.
    let type: String
    let bytes: [UInt8]

    /// The file at a path; nil where the page has none.
    static func at(_ path: Substring) -> PageFile? { all[String(path)] }

    private static let all: [String: PageFile] = (0..<snapmgr_web_page_count()).reduce(into: [:]) {
        files, index in
        let file = snapmgr_web_page_at(index)
        let name = String(cString: file.name)
        files[name == "index.html" ? "/" : "/assets/\(name)"] = PageFile(
            type: type(of: name),
            bytes: Array(UnsafeBufferPointer(start: file.bytes, count: file.count)))
    }

    private static func type(of name: String) -> String {
        if name.hasSuffix(".html") { return "text/html; charset=utf-8" }
        return name.hasSuffix(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8"
    }
}

extension WebReply {
    /// A file of the page. What the browser may run and show is the page's own, and nothing within it.
    init(_ file: PageFile) {
        self.init(200, "", file.type)
        bytes = file.bytes
        fields = [
            ("Content-Type", file.type), ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-cache"), ("Referrer-Policy", "no-referrer"),
            ("Content-Security-Policy", Self.pagePolicy),
        ]
    }

    private static let pagePolicy = """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        """
}
