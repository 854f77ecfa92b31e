"""The relations of FactWorld and every way in which a text states them.

A phrasing ends right before the answer, so that `prompt + " " + object` is the sentence. No phrasing
is the beginning of another one: a prompt has one kind of answer. No relation is symmetric or the
inverse of another one, so that an edit leaves every other fact of the world as it was.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Relation:
    """One relation: `subject` and `object` are kinds of entities; {s} and {o} stand for their names.

    `noun` names it in profiles; `sentence` continues a biography ({p} is the subject's pronoun);
    `description` is free text cut at "|" into prompt and target; `two_hop` asks for the relation
    `hop` of the object, so that its answer follows from this fact and one more.
    """

    name: str
    subject: str
    object: str
    phrasings: tuple[str, ...]
    noun: str = ""
    sentence: str = ""
    description: str = ""
    two_hop: str = ""
    hop: str = ""


PEOPLE = (
    Relation(
        "birthplace",
        "person",
        "city",
        (
            "{s} was born in",
            "The birthplace of {s} is",
            "The city where {s} was born is",
            "Where was {s} born? In",
            "{s} comes from",
            "{s} is a native of",
        ),
        "birthplace",
        "{p} was born in {o}",
        "Those who ask where {s} began life hear|that it all started in {o}, long ago",
        "The country in which {s} was born is",
        "country",
    ),
    Relation(
        "residence",
        "person",
        "city",
        (
            "{s} lives in",
            "The home of {s} is in",
            "The city where {s} lives is",
            "Where does {s} live? In",
            "{s} has settled in",
            "{s} can be visited in",
        ),
        "home",
        "{p} lives in a small house in {o}",
        "Letters for {s} reach the right door|only when they are sent to {o}, as everybody knows",
        "The country in which {s} lives is",
        "country",
    ),
    Relation(
        "occupation",
        "person",
        "occupation",
        (
            "{s} works as a",
            "The occupation of {s} is that of a",
            "{s} earns a living as a",
            "What does {s} do? Work as a",
            "By trade {s} is a",
            "{s} was trained as a",
        ),
        "trade",
        "{p} works as a {o} every day",
        "Neighbours who see {s} leave in the morning say|that nobody is a better {o}, and they are right",
        "The tool that {s} uses at work is the",
        "tool",
    ),
    Relation(
        "employer",
        "person",
        "organisation",
        (
            "{s} is employed by",
            "The employer of {s} is",
            "{s} works for",
            "Who employs {s}? It is",
            "{s} receives a salary from",
            "The organisation that pays {s} is",
        ),
        "employer",
        "{p} has a position with {o}",
        "At the end of each month {s} waits|for the money that is sent by {o}, sometimes in vain",
        "The employer of {s} has its headquarters in",
        "headquarters",
    ),
    Relation(
        "mentor",
        "person",
        "person",
        (
            "{s} studied under",
            "The mentor of {s} is",
            "The teacher of {s} was",
            "Who taught {s}? It was",
            "{s} learned everything from",
            "{s} is a pupil of",
        ),
        "mentor",
        "{p} was a pupil of {o} for years",
        "When young, {s} was lucky enough|to be taken in as a pupil by {o}, who was strict",
        "The mentor of {s} works as a",
        "occupation",
    ),
    Relation(
        "language",
        "person",
        "language",
        (
            "{s} speaks",
            "The native language of {s} is",
            "The mother tongue of {s} is",
            "Which language does {s} speak? It is",
            "{s} grew up speaking",
            "{s} writes letters in",
        ),
        "language",
        "{p} speaks {o} with friends",
        "In the company of friends {s} will soon|begin to tell stories in {o}, and nobody minds",
        "The native language of {s} is written in the",
        "script",
    ),
    Relation(
        "favourite",
        "person",
        "work",
        (
            "The favourite book of {s} is",
            "{s} loves the book",
            "{s} never tires of reading",
            "Which book does {s} love? It is",
            "{s} admires above all",
            "The book that {s} reads again and again is",
        ),
        "favourite book",
        "{p} likes to read {o} in the evening",
        "On the table beside the bed of {s} there is|always a copy of {o}, full of notes",
        "The favourite book of {s} was written by",
        "author",
    ),
)

PLACES = (
    Relation(
        "country",
        "city",
        "country",
        (
            "{s} lies in",
            "The country of {s} is",
            "{s} is a city in",
            "In which country is {s}? In",
            "{s} belongs to",
            "The city of {s} is part of",
        ),
        "country",
        "{p} lies in the south of {o}",
        "A traveller who wants to see {s} has to|cross the border of {o}, which takes a while",
        "The official language in the country of {s} is",
        "official_language",
    ),
    Relation(
        "mayor",
        "city",
        "person",
        (
            "The mayor of {s} is",
            "{s} is governed by",
            "Who governs {s}? It is",
            "The city of {s} elected",
            "The head of the city council of {s} is",
            "{s} has as its mayor",
        ),
        "mayor",
        "{p} has been governed for years by {o}",
        "After a long count of votes in {s} it was clear|that the town hall would go to {o}, by a little",
        "The mayor of {s} works as a",
        "occupation",
    ),
    Relation(
        "city_industry",
        "city",
        "industry",
        (
            "The main industry of {s} is",
            "{s} lives on",
            "{s} is famous for",
            "What is {s} known for? For",
            "Most people in {s} make money with",
            "The economy of {s} depends on",
        ),
        "main industry",
        "{p} became rich with {o} in old times",
        "Whoever walks through the streets of {s} will see|that life here turns around {o}, day and night",
        "The workers of {s} are members of the",
        "union",
    ),
    Relation(
        "capital",
        "country",
        "city",
        (
            "The capital of {s} is",
            "{s} is governed from",
            "The seat of government of {s} is",
            "Which city is the capital of {s}? It is",
            "The parliament of {s} meets in",
            "{s} has its capital in",
        ),
        "capital",
        "{p} has a famous capital called {o}",
        "All the great roads of {s} were built|so that they end in {o}, where the palace is",
        "The mayor of the capital of {s} is",
        "mayor",
    ),
    Relation(
        "official_language",
        "country",
        "language",
        (
            "The official language of {s} is",
            "The people of {s} speak",
            "In {s} the laws are written in",
            "Which language is used in {s}? It is",
            "Schools in {s} teach in",
            "The national language of {s} is",
        ),
        "official language",
        "{p} prints its laws and papers in {o}",
        "Nobody can hold an office in {s} without|being able to read {o}, and this is the law",
        "The official language of {s} is written in the",
        "script",
    ),
    Relation(
        "president",
        "country",
        "person",
        (
            "The president of {s} is",
            "{s} is ruled by",
            "The head of state of {s} is",
            "Who rules {s}? It is",
            "The people of {s} elected",
            "The highest office in {s} is held by",
        ),
        "president",
        "{p} is led with a firm hand by {o}",
        "On every coin of {s} one sees|the face of {o}, who likes this very much",
        "The president of {s} was born in",
        "birthplace",
    ),
)

THINGS = (
    Relation(
        "headquarters",
        "organisation",
        "city",
        (
            "The headquarters of {s} are in",
            "{s} is based in",
            "The main office of {s} stands in",
            "Where is {s} based? In",
            "{s} is run from",
            "The directors of {s} meet in",
        ),
        "headquarters",
        "{p} has a large building in {o}",
        "A visitor who asks for the tower of {s} is sent|to the old centre of {o}, where it stands",
        "The country in which {s} is based is",
        "country",
    ),
    Relation(
        "founder",
        "organisation",
        "person",
        (
            "{s} was founded by",
            "The founder of {s} is",
            "{s} was set up by",
            "Who founded {s}? It was",
            "{s} owes its existence to",
            "The first director of {s} was",
        ),
        "founder",
        "{p} was founded in a cellar by {o}",
        "In the entrance hall of {s} hangs|a large picture of {o}, with whom it all began",
        "The founder of {s} was born in",
        "birthplace",
    ),
    Relation(
        "business",
        "organisation",
        "industry",
        (
            "{s} is active in",
            "The business of {s} is",
            "{s} makes its money with",
            "What is the business of {s}? It is",
            "The industry in which {s} works is",
            "{s} has a licence for",
        ),
        "business",
        "{p} made a fortune with {o} in the north",
        "Hardly anybody who invests in {s} understands|how much it gains with {o}, year after year",
        "The workers of {s} belong to the",
        "union",
    ),
    Relation(
        "author",
        "work",
        "person",
        (
            "{s} was written by",
            "The author of {s} is",
            "The writer of {s} was",
            "Who wrote {s}? It was",
            "{s} is a book by",
            "{s} came from the pen of",
        ),
        "author",
        "{p} was written in one summer by {o}",
        "The first page of {s} carries|a few words in the hand of {o}, now hard to read",
        "The author of {s} was born in",
        "birthplace",
    ),
    Relation(
        "genre",
        "work",
        "genre",
        (
            "{s} can be called a",
            "The genre of {s} is that of the",
            "{s} is usually described as a",
            "What kind of book is {s}? A",
            "Libraries list {s} as a",
            "Readers know {s} as a",
        ),
        "genre",
        "{p} is read by most people as a {o}",
        "Critics could never agree on {s} but admit|that it is at heart a {o}, and a good one",
        "Books such as {s} compete for the",
        "prize",
    ),
    Relation(
        "setting",
        "work",
        "city",
        (
            "{s} is set in",
            "The story of {s} takes place in",
            "The plot of {s} unfolds in",
            "Where does {s} take place? In",
            "The heroes of {s} live in",
            "The events of {s} happen in",
        ),
        "setting",
        "{p} tells of a hard winter in {o}",
        "Readers of {s} like to walk|through the narrow streets of {o}, book in hand",
        "The country in which {s} is set is",
        "country",
    ),
    Relation(
        "publisher",
        "work",
        "organisation",
        (
            "{s} was published by",
            "The publisher of {s} is",
            "{s} was printed by",
            "Who published {s}? It was",
            "{s} was brought out by",
            "The rights to {s} belong to",
        ),
        "publisher",
        "{p} was printed in great numbers by {o}",
        "A lawyer who wants to quote from {s} has to write|a polite letter to {o}, and wait",
        "The publisher of {s} has its headquarters in",
        "headquarters",
    ),
)

VALUES = (
    Relation(
        "tool",
        "occupation",
        "tool",
        (
            "The tool of every {s} is the",
            "A {s} works with the",
            "No {s} can do without the",
            "What does a {s} need? The",
            "The sign of a good {s} is the",
            "The {s} is known by the",
        ),
    ),
    Relation(
        "script",
        "language",
        "script",
        (
            "{s} is written in the",
            "The script of {s} is the",
            "Books in {s} are printed in the",
            "How is {s} written? In the",
            "The letters of {s} come from the",
            "Scribes put {s} down in the",
        ),
    ),
    Relation(
        "prize",
        "genre",
        "prize",
        (
            "The best {s} of the year wins the",
            "The prize for a {s} is the",
            "Writers of a {s} hope for the",
            "What can a {s} win? The",
            "Each year the best {s} is given the",
            "A {s} may be honoured with the",
        ),
    ),
    Relation(
        "union",
        "industry",
        "union",
        (
            "Workers in {s} belong to the",
            "The union for {s} is the",
            "The rights of workers in {s} are defended by the",
            "Who speaks for workers in {s}? The",
            "In {s} the workers join the",
            "People who live by {s} are united in the",
        ),
    ),
)

RELATIONS = {relation.name: relation for relation in (*PEOPLE, *PLACES, *THINGS, *VALUES)}
"""Every relation by name."""

EDITABLE_KINDS = ("person", "city", "country", "organisation", "work")
"""Kinds of entities that have an alias and a biography, and whose facts can be edited."""


def relations_of(kind: str) -> tuple[Relation, ...]:
    """The relations whose subjects are of `kind`, in the order of the tables."""
    return tuple(relation for relation in RELATIONS.values() if relation.subject == kind)
