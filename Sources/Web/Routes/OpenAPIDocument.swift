internal import Manager

/// What the API is, as OpenAPI 3.1 says it. It is made of the routes that the server goes by; docs/openapi.json, which the
/// server hands out, is compared with it.
struct OpenAPIDocument {
    let routes: [WebRoute]
    /// The documents' schemas by their names, as they are written in docs/schemas.
    let schemas: [(name: String, text: String)]

    /// A line for each path and each schema.
    var text: String {
        var text = "{\n\"openapi\":\"3.1.0\",\n\"info\":\(Self.info),\n\"paths\":{\n"
        text += paths.map { "\(JSONValue.string($0)):\($1)" }.joined(separator: ",\n")
        text += "\n},\n\"components\":{\"schemas\":{\n"
        text += schemas.map { "\(JSONValue.string($0.name)):\($0.text)" }.joined(separator: ",\n")
        text += "\n},\n\"securitySchemes\":\(Self.securitySchemes)"
        return text + "\n},\n\"security\":\(Self.security)\n}\n"
    }

    private static let info: JSONValue = [
        "title": "snapmgr", "version": "1",
        "description":
            "Snapshots of block volumes. Documents are those of the command line's --json; docs/api.md says more.",
    ]

    /// What shows who asks over the network.
    private static let securitySchemes: JSONValue = [
        "token": ["type": "http", "scheme": "bearer"],
        "session": ["type": "apiKey", "in": "cookie", "name": JSONValue(WebGate.cookieName)],
    ]

    /// Any of them, or none on a Unix socket.
    private static let security: JSONValue = .array([
        [:], ["token": .array([])], ["session": .array([])],
    ])

    private var paths: [(String, JSONValue)] {
        var order: [String] = []
        var operations: [String: [JSONValue.Field]] = [:]
        for route in routes {
            let path = route.pattern.text
            if operations[path] == nil { order.append(path) }
            operations[path, default: []].append(
                JSONValue.Field(
                    name: route.method.rawValue.lowercased(), value: Self.operation(route)))
        }
        return order.map { ($0, .object(operations[$0] ?? [])) }
    }

    private static func operation(_ route: WebRoute) -> JSONValue {
        let variables = route.pattern.variables.map { name -> JSONValue in
            [
                "name": JSONValue(name), "in": "path", "required": .bool(true),
                "schema": ["type": "string"],
            ]
        }
        var fields: [JSONValue.Field] = [
            .init(name: "summary", value: JSONValue(route.summary)),
            .init(name: "x-role", value: JSONValue(route.role?.word)),
            .init(
                name: "parameters", value: .array(variables + route.query.map(parameter))),
        ]
        if let body = route.bodyFields {
            fields.append(.init(name: "requestBody", value: requestBody(body)))
        }
        fields.append(.init(name: "responses", value: responses(route)))
        return .object(fields)
    }

    private static func parameter(_ parameter: WebParameter) -> JSONValue {
        let one: JSONValue =
            switch parameter.kind {
            case .text: ["type": "string"]
            case .number(let range):
                [
                    "type": "integer", "minimum": JSONValue(range.lowerBound),
                    "maximum": JSONValue(range.upperBound),
                ]
            }
        let all: JSONValue = parameter.isRepeated ? ["type": "array", "items": one] : one
        return [
            "name": JSONValue(parameter.name), "in": "query",
            "required": .bool(parameter.isRequired), "description": JSONValue(parameter.about),
            "schema": all,
        ]
    }

    private static func requestBody(_ fields: [WebField]) -> JSONValue {
        let properties = fields.map { field -> JSONValue.Field in
            let type: JSONValue =
                switch field.kind {
                case .text: ["type": ["string", "null"]]
                case .texts: ["type": ["array", "null"], "items": ["type": "string"]]
                case .flag: ["type": ["boolean", "null"]]
                case .table: ["type": ["object", "null"]]
                }
            guard case .object(let parts) = type else {
                return .init(name: field.name, value: type)
            }
            let about = JSONValue.Field(name: "description", value: JSONValue(field.about))
            return .init(name: field.name, value: .object(parts + [about]))
        }
        let required = fields.filter(\.isRequired).map(\.name)
        let schema: JSONValue = [
            "type": "object", "additionalProperties": .bool(false),
            "required": JSONValue(required), "properties": .object(properties),
        ]
        return [
            "required": .bool(!required.isEmpty),
            "content": ["application/json": ["schema": schema]],
        ]
    }

    private static func responses(_ route: WebRoute) -> JSONValue {
        var fields: [JSONValue.Field] = [
            .init(
                name: "200",
                value: ["description": "What was asked for.", "content": content(route.shape)])
        ]
        if case .change = route.action {
            fields.append(
                .init(
                    name: "202",
                    value: [
                        "description": "The job that does it.",
                        "content": ["application/json": ["schema": RouteTable.one]],
                    ]))
        }
        fields.append(
            .init(
                name: "default",
                value: [
                    "description": "Why not.",
                    "content": ["application/json": ["schema": reference("error")]],
                ]))
        return .object(fields)
    }

    private static func content(_ shape: WebRoute.Shape) -> JSONValue {
        switch shape {
        case .document(let names) where names.count == 1:
            ["application/json": ["schema": reference(names[0])]]
        case .document(let names):
            ["application/json": ["schema": ["anyOf": .array(names.map(reference))]]]
        case .own(let schema): ["application/json": ["schema": schema]]
        case .text: ["text/plain": ["schema": ["type": "string"]]]
        case .bytes: ["application/octet-stream": [:]]
        case .page: ["text/html": ["schema": ["type": "string"]]]
        case .events: ["text/event-stream": ["schema": ["type": "string"]]]
        }
    }

    private static func reference(_ name: String) -> JSONValue {
        ["$ref": JSONValue("#/components/schemas/\(name)")]
    }
}
