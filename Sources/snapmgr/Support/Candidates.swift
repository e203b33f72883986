import ArgumentParser
import Manager
import SnapshotModel
import Web

/// What a shell proposes for the word that is being written.
enum Candidates {
    static var volumes: CompletionKind { kind { names, _ in names.volumes() } }
    static var objects: CompletionKind { kind { names, _ in names.volumes() + names.sets() } }
    static var clones: CompletionKind { kind { names, _ in names.clones() } }
    static var machineCopies: CompletionKind { kind { names, _ in names.machineCopies() } }
    static var mirrors: CompletionKind { kind { names, _ in names.mirrors() } }
    static var webhooks: CompletionKind { kind { names, _ in names.webhooks() } }
    static var references: CompletionKind { kind { names, prefix in names.references(prefix) } }
    static var referencesAndClones: CompletionKind {
        kind { names, prefix in names.references(prefix) + names.clones() }
    }

    static var tokens: CompletionKind {
        .custom { words, _, prefix in
            guard let path = options(words)?.state.path,
                let tokens = try? WebTokens(state: path).list()
            else { return [] }
            return tokens.map(\.token.name).filter { $0.hasPrefix(prefix) }
        }
    }

    private static func kind(
        _ find: @escaping @Sendable (NameService, String) -> [String]
    ) -> CompletionKind {
        .custom { words, _, prefix in
            guard let names = names(words) else { return [] }
            return Set(find(names, prefix)).filter { $0.hasPrefix(prefix) }.sorted()
        }
    }

    /// Of the state and the settings that the words name. A shell is told nothing of what is wrong with them.
    private static func names(_ words: [String]) -> NameService? {
        options(words).flatMap { (try? Manager(existing: $0))?.names }
    }

    private static func options(_ words: [String]) -> ManagerOptions? {
        var given: [String] = []
        for option in ["--state", "--config"] {
            if let index = words.lastIndex(of: option), words.indices.contains(index + 1) {
                given += [option, words[index + 1]]
            } else if let joined = words.last(where: { $0.hasPrefix("\(option)=") }) {
                given.append(joined)
            }
        }
        guard let global = try? GlobalOptions.parse(given),
            let context = try? CommandContext(global)
        else { return nil }
        return try? context.options()
    }
}
