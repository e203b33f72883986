internal import FoundationEssentials

/// What the log keeps of an event beside its sentence: a JSON document, to which keys are only added.
struct EventDetails: Decodable {
    /// Nil for events of older versions.
    var requestedBy: Requester?

    private enum CodingKeys: String, CodingKey {
        case requestedBy = "requested_by"
    }

    init(requestedBy: Requester) { self.requestedBy = requestedBy }

    /// Reads what an event has; what is not understood says nothing.
    init?(text: String?) {
        guard let text,
            let details = try? JSONDecoder().decode(EventDetails.self, from: Data(text.utf8))
        else { return nil }
        self = details
    }

    var text: String {
        JSONValue.object([
            .init(name: CodingKeys.requestedBy.rawValue, value: requestedBy?.json ?? .null)
        ]).description
    }
}
