"""The part of GitHub's GraphQL schema that is about accounts and repositories, with its names and types."""

from graphql import GraphQLSchema, build_schema

SDL = """
scalar DateTime
scalar URI

interface Node { id: ID! }

interface Actor { avatarUrl(size: Int): URI! login: String! resourcePath: URI! url: URI! }

interface UniformResourceLocatable { resourcePath: URI! url: URI! }

interface Starrable { id: ID! stargazerCount: Int! stargazers(after: String, before: String, first: Int, last: Int): StargazerConnection! viewerHasStarred: Boolean! }

interface ProfileOwner { email: String id: ID! location: String login: String! name: String websiteUrl: URI }

interface RepositoryOwner {
  avatarUrl(size: Int): URI!
  id: ID!
  login: String!
  repositories(after: String, affiliations: [RepositoryAffiliation], before: String, first: Int, hasIssuesEnabled: Boolean, isArchived: Boolean, isFork: Boolean, isLocked: Boolean, last: Int, orderBy: RepositoryOrder, ownerAffiliations: [RepositoryAffiliation] = [OWNER, COLLABORATOR], privacy: RepositoryPrivacy, visibility: RepositoryVisibility): RepositoryConnection!
  repository(followRenames: Boolean = true, name: String!): Repository
  resourcePath: URI!
  url: URI!
}

type User implements Node & Actor & RepositoryOwner & UniformResourceLocatable & ProfileOwner {
  id: ID!
  databaseId: Int
  login: String!
  name: String
  avatarUrl(size: Int): URI!
  bio: String
  company: String
  email: String!
  location: String
  websiteUrl: URI
  twitterUsername: String
  createdAt: DateTime!
  updatedAt: DateTime!
  isHireable: Boolean!
  isSiteAdmin: Boolean!
  isViewer: Boolean!
  resourcePath: URI!
  url: URI!
  followers(after: String, before: String, first: Int, last: Int): FollowerConnection!
  following(after: String, before: String, first: Int, last: Int): FollowingConnection!
  gists(after: String, before: String, first: Int, last: Int, privacy: GistPrivacy): GistConnection!
  contributionsCollection(from: DateTime, organizationID: ID, to: DateTime): ContributionsCollection!
  repositories(after: String, affiliations: [RepositoryAffiliation], before: String, first: Int, hasIssuesEnabled: Boolean, isArchived: Boolean, isFork: Boolean, isLocked: Boolean, last: Int, orderBy: RepositoryOrder, ownerAffiliations: [RepositoryAffiliation] = [OWNER, COLLABORATOR], privacy: RepositoryPrivacy, visibility: RepositoryVisibility): RepositoryConnection!
  repository(followRenames: Boolean = true, name: String!): Repository
}

type Organization implements Node & Actor & RepositoryOwner & UniformResourceLocatable & ProfileOwner {
  id: ID!
  databaseId: Int
  login: String!
  name: String
  avatarUrl(size: Int): URI!
  description: String
  email: String
  location: String
  websiteUrl: URI
  twitterUsername: String
  createdAt: DateTime!
  updatedAt: DateTime!
  archivedAt: DateTime
  isVerified: Boolean!
  resourcePath: URI!
  url: URI!
  repositories(after: String, affiliations: [RepositoryAffiliation], before: String, first: Int, hasIssuesEnabled: Boolean, isArchived: Boolean, isFork: Boolean, isLocked: Boolean, last: Int, orderBy: RepositoryOrder, ownerAffiliations: [RepositoryAffiliation] = [OWNER, COLLABORATOR], privacy: RepositoryPrivacy, visibility: RepositoryVisibility): RepositoryConnection!
  repository(followRenames: Boolean = true, name: String!): Repository
}

type Repository implements Node & Starrable & UniformResourceLocatable {
  id: ID!
  databaseId: Int
  name: String!
  nameWithOwner: String!
  owner: RepositoryOwner!
  description: String
  homepageUrl: URI
  url: URI!
  resourcePath: URI!
  stargazerCount: Int!
  stargazers(after: String, before: String, first: Int, last: Int): StargazerConnection!
  viewerHasStarred: Boolean!
  forkCount: Int!
  forks(after: String, before: String, first: Int, last: Int): RepositoryConnection!
  watchers(after: String, before: String, first: Int, last: Int): WatcherConnection!
  issues(after: String, before: String, first: Int, last: Int, states: [IssueState!]): IssueConnection!
  pullRequests(after: String, before: String, first: Int, last: Int, states: [PullRequestState!]): PullRequestConnection!
  diskUsage: Int
  isFork: Boolean!
  isArchived: Boolean!
  isTemplate: Boolean!
  isPrivate: Boolean!
  isEmpty: Boolean!
  isDisabled: Boolean!
  isLocked: Boolean!
  isMirror: Boolean!
  isInOrganization: Boolean!
  hasIssuesEnabled: Boolean!
  visibility: RepositoryVisibility!
  createdAt: DateTime!
  pushedAt: DateTime
  updatedAt: DateTime!
  archivedAt: DateTime
  licenseInfo: License
  primaryLanguage: Language
  defaultBranchRef: Ref
  parent: Repository
  repositoryTopics(after: String, before: String, first: Int, last: Int): RepositoryTopicConnection!
  languages(after: String, before: String, first: Int, last: Int, orderBy: LanguageOrder): LanguageConnection
}

type ContributionsCollection { contributionCalendar: ContributionCalendar! endedAt: DateTime! hasAnyRestrictedContributions: Boolean! restrictedContributionsCount: Int! startedAt: DateTime! user: User! }
type ContributionCalendar { isHalloween: Boolean! totalContributions: Int! weeks: [ContributionCalendarWeek!]! }
type ContributionCalendarWeek { contributionDays: [ContributionCalendarDay!]! firstDay: String! }
type ContributionCalendarDay { contributionCount: Int! date: String! weekday: Int! }
type License implements Node { id: ID! key: String! name: String! nickname: String spdxId: String url: URI }
type Language implements Node { id: ID! name: String! color: String }
type Ref implements Node { id: ID! name: String! prefix: String! }
type Topic implements Node { id: ID! name: String! }
type RepositoryTopic implements Node & UniformResourceLocatable { id: ID! topic: Topic! resourcePath: URI! url: URI! }

type PageInfo { endCursor: String hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String }

type RepositoryConnection { edges: [RepositoryEdge] nodes: [Repository] pageInfo: PageInfo! totalCount: Int! totalDiskUsage: Int! }
type RepositoryEdge { cursor: String! node: Repository }
type LanguageConnection { edges: [LanguageEdge] nodes: [Language] pageInfo: PageInfo! totalCount: Int! totalSize: Int! }
type LanguageEdge { cursor: String! node: Language! size: Int! }
type RepositoryTopicConnection { edges: [RepositoryTopicEdge] nodes: [RepositoryTopic] pageInfo: PageInfo! totalCount: Int! }
type RepositoryTopicEdge { cursor: String! node: RepositoryTopic }
type FollowerConnection { totalCount: Int! }
type FollowingConnection { totalCount: Int! }
type GistConnection { totalCount: Int! }
type StargazerConnection { totalCount: Int! }
type WatcherConnection { totalCount: Int! }
type IssueConnection { totalCount: Int! }
type PullRequestConnection { totalCount: Int! }

enum RepositoryAffiliation { COLLABORATOR ORGANIZATION_MEMBER OWNER }
enum RepositoryPrivacy { PRIVATE PUBLIC }
enum RepositoryVisibility { INTERNAL PRIVATE PUBLIC }
enum GistPrivacy { ALL PUBLIC SECRET }
enum IssueState { CLOSED OPEN }
enum PullRequestState { CLOSED MERGED OPEN }
enum OrderDirection { ASC DESC }
enum RepositoryOrderField { CREATED_AT NAME PUSHED_AT STARGAZERS UPDATED_AT }
enum LanguageOrderField { SIZE }
input RepositoryOrder { direction: OrderDirection! field: RepositoryOrderField! }
input LanguageOrder { direction: OrderDirection! field: LanguageOrderField! }

type RateLimit { cost: Int! limit: Int! nodeCount: Int! remaining: Int! resetAt: DateTime! used: Int! }

type Query {
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  organization(login: String!): Organization
  rateLimit(dryRun: Boolean = false): RateLimit
  relay: Query!
  repository(followRenames: Boolean = true, name: String!, owner: String!): Repository
  repositoryOwner(login: String!): RepositoryOwner
  user(login: String!): User
  viewer: User!
}
"""

SCHEMA: GraphQLSchema = build_schema(SDL)
