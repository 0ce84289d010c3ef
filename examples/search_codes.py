"""Search by code: FAISS searches a folder of codes on disk without copying it."""

import tempfile
from pathlib import Path

import faiss
import numpy as np

import hashlens as hl


def main():
    """Encode two sets into folders, and find and print the nearest neighbours of one in the other."""
    trained = hl.train("mlp", hl.load_data("digits#train"), test=hl.load_data("digits#test"), width=100)
    with tempfile.TemporaryDirectory() as folder:
        database = hl.encode(trained.network, "digits#train", out=Path(folder) / "train")
        queries = hl.encode(trained.network, "digits#test", out=Path(folder) / "test")
        print("database:", database)
        print("queries: ", queries)

        # Rows are padded with zeros to whole words; padding does not change distances.
        distances, neighbours = faiss.knn_hamming(queries.packed, database.packed, 9)

        for row in range(3):
            pairs = zip(neighbours[row, :5], distances[row, :5], strict=True)
            text = ", ".join(f"{database.labels[near]} at {bits} bits" for near, bits in pairs)
            print(f"a {queries.labels[row]} (row {queries.ids[row]}): {text}")

        votes = database.labels[neighbours]
        majority = np.array([np.bincount(nine).argmax() for nine in votes])
        right = np.mean(majority == queries.labels)
        network_accuracy = trained.info.metrics["test_accuracy"]
        print(
            f"test images whose 9 neighbours vote right: {right:.1%}; accuracy of the network: {network_accuracy:.1%}"
        )

        furthest = distances[:, 0].argmax()
        print(
            f"least like anything in the database: row {queries.ids[furthest]}, a {queries.labels[furthest]}, ", end=""
        )
        print(f"{distances[furthest, 0]} bits from its nearest neighbour")


if __name__ == "__main__":
    main()
