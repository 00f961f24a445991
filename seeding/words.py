"""What people are called, and what they borrow for."""

from typing import NamedTuple

FIRST_NAMES = (
    "Aaliyah", "Adrián", "Aiko", "Akua", "Amir", "Ana", "Anders", "Anjali", "Arjun", "Asha",
    "Ayşe", "Beatriz", "Bilal", "Bongani", "Camille", "Carlos", "Chidi", "Chloé", "Daniel",
    "Dmitri", "Elena", "Emeka", "Esra", "Farid", "Freya", "Gabriel", "Hana", "Hassan", "Hugo",
    "Ines", "Ivan", "Jamal", "Joana", "Kofi", "Laila", "Lars", "Leila", "Lukas", "Mariam", "Marta",
    "Mei", "Miguel", "Nomvula", "Noah", "Olga", "Omar", "Paulo", "Rahul", "Rosa", "Samuel",
    "Sara", "Søren", "Tariq", "Thandi", "Tomás", "Viktor", "Wanjiru", "Yara", "Yusuf", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abdi", "Adeyemi", "Almeida", "Andersson", "Baker", "Banda", "Bianchi", "Chen", "Costa",
    "Dlamini", "Dubois", "Eriksen", "Farah", "Fischer", "Garcia", "Gupta", "Haddad", "Hansen",
    "Ibrahim", "Ivanov", "Jansen", "Kamau", "Khan", "Kim", "Kowalska", "Lopez", "Mbeki", "Mensah",
    "Mishra", "Moreau", "Morris", "Mwangi", "Nakamura", "Nair", "Novak", "Nwosu", "Okoye",
    "Oliveira", "Osman", "Patel", "Pereira", "Petrov", "Rossi", "Sato", "Schmidt", "Silva",
    "Singh", "Sousa", "Suzuki", "Taylor", "Tran", "Usman", "Vargas", "Wagner", "Walker", "Yilmaz",
)  # fmt: skip


class Purpose(NamedTuple):
    """Something borrowed for, with the usual amounts in whole units and terms in months."""

    name: str
    least: int
    most: int
    terms: tuple[int, ...]


PURPOSES = (
    Purpose("Stock for the season", 500, 15_000, (6, 9, 12)),
    Purpose("Working capital", 2_000, 40_000, (12, 18, 24)),
    Purpose("A delivery van", 9_000, 38_000, (36, 48, 60)),
    Purpose("Refitting the shop", 4_000, 60_000, (24, 36, 48)),
    Purpose("Machines and tools", 2_500, 90_000, (24, 36, 60)),
    Purpose("Repairs to the house", 1_000, 20_000, (12, 24, 36)),
    Purpose("Seed and fertiliser", 300, 6_000, (6, 9)),
    Purpose("Solar panels", 3_000, 25_000, (36, 60, 84)),
    Purpose("Training and certificates", 600, 8_000, (12, 18)),
    Purpose("Paying off dearer debt", 2_000, 30_000, (24, 36, 48, 60)),
)
